"""Bookings: from a seat somebody looks at to a ticket somebody holds.

The story of a booking: a buyer picks seats and *holds* them softly in Valkey; books, which *claims* the seats in
PostgreSQL, where a seat has one owner; from then on a saga carries the booking to an end, whatever payments and clocks
do. What can be had is a room of its own, inventory/; read its docstring first. Then saga.py (the table), decide.py
(what happened → trigger), executor.py (trigger → rows), actions.py (the verbs), giving_back/ (what may be undone),
service.py (the doors); monitor/ is what operators see.
"""
