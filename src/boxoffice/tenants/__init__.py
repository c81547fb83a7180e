"""The organizers' organisations: how one comes to be, what the operator may set for it, and when it may not sell.

A tenant begins as one row of the directory; its unique slug decides every race. The same transaction arms a timer,
and the worker then makes the tenant's schema and role, asks auth for the first admin and makes the tenant ACTIVE
(`provisioning`). Each of these steps can be repeated, so a crash between any two of them costs only time.

Read service.py (the doors), domain.py (the rules), actions.py (the verbs), provisioning.py, then store.py.
"""
