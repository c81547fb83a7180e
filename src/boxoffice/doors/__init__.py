"""The doors in front of every service: routes served, bodies read strictly, callers known, peers called."""
