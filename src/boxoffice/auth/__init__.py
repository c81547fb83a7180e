"""Who people are. A tenant's users and the platform's operators sign in with a password and hold a session.

A session is a chain of refresh tokens, each good once: taking one for new tokens uses it up and makes its successor
(`domain.judge`). Whoever comes with a used one either lost a reply a moment ago and gets the same successor, or the
token was stolen, and the session ends for both. Access tokens are signed, live fifteen minutes and are verified by
every service itself (`kernel.identity`); a session that ends early is announced to all processes by its id.
Guests have no row here: their signed token is their name.

Read service.py (the doors), domain.py (the rules), actions.py (the verbs), then store.py and passwords.py.
"""
