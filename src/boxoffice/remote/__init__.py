"""Calls to services in other processes, and what stands before a service in a process of its own.

Read in this order: `discovery` (where instances listen), `instances` (which one to take), `breaker` and `budget` (when
not to call, when to call again), `upstream` (a service of another process as an ASGI application; the gateway and the
peers call it as they call one of their own), `sockets` (WebSockets through it), `entrance` (the other side).
"""
