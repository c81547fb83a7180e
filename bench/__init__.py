"""Benchmarks: each prints a ratio against a reference measured in the same run, never a pass mark in seconds."""
