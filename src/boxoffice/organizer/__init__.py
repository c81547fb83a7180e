"""Organizer: the pages of those who sell, on their own host under /organizer.

Here an organizer sees the events, what of each is sold and to whom, calls one off and watches the money go back, and
returns single seats. It keeps nothing: every page reads from the services in the name of who looks at it, and every
button is a call of the API. Read `service.py` (the pages on one screen), `console.py`, `words.py`, the templates.
"""
