"""Starts PostgreSQL and Valkey from their wheels for `boxoffice up` and for the tests; nothing else imports it.

Read in this order: `account` (who runs the servers), `processes` (start and stop one server), `postgres` and `valkey`
(what is special about each), `servers` (both together, with the lock on the data directory), `up` (the whole platform
in one terminal).
"""
