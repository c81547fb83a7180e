"""A running system goes over from one bus to another and back: every process follows one row in PostgreSQL.

Read `carrier` (the row), `bus` (a bus that is whichever one carries now), and `moving` (the steps of a move).
"""
