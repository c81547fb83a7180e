"""Events: what is on sale. Organizers draft an event, paint its seat plan and publish it; buyers find it.

Publication has two steps: an event is PUBLISHING until bookings has a row for every seat and says so. Read domain.py
(the rules), actions.py (the verbs), service.py (the doors).
"""
