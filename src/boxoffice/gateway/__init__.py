"""The gateway: the one way in, for every host.

Read in this order: `routes` (which path is whose, and how often it may be asked for), `exchange` (one request on its
way through), `steps` (what is done to it, in order), `credentials` (cookies of pages become tokens), `answers` (what
the edge says itself), `compression` (of what is for everybody), `app` (the ASGI application that runs the steps and
calls the service), `protocol` (what has to be settled while a request is still being read), `reference` (the pages
under /api/docs).
"""
