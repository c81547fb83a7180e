"""Seats as numbers: plans and their validation, states on the wire, and the choice of good seats. All of it is pure.

Read `document` (what a plan looks like), `plan` (what it means), `parse` (from the one to the other), `categories`
(an event's prices laid over it), `availability` (what is free) and `choice` (what to offer), in this order.
"""
