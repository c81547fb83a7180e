"""Operations: what the platform's operators see and do when something does not go by itself.

A message that nobody could handle lies here as a dead letter until an operator has it tried again or gives it up.
Bookings, payments, seats and the provider each have their own word on what was sold and paid; here they are compared,
and those that disagree are listed. The pages of the platform's host show this, the sagas and the tenants.

Operations owns one table, the audit of what operators did; all else it asks the services through peers, a page in the
name of the operator who looks at it. Read `service.py` (the doors), `domain.py` (what counts as a disagreement),
`comparing.py` (how all bookings of all tenants are gone through), `console.py` (the pages).
"""
