"""Tickets as signed text that a scanner can verify without asking anybody: codes, keys and their QR picture."""
