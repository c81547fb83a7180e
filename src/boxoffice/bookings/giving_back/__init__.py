"""Giving back what was booked: policy.py says what it costs, actions.py who may ask for it, api.py at which doors."""
