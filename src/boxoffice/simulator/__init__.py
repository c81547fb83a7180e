"""A payment provider to test against: it speaks enough of Stripe's API for Stripe's own SDK to pay, fail and refund.

It is a program of its own with books of its own (an SQLite file) and shares nothing with the platform: the platform's
Stripe adapter talks to it over HTTP as it would to Stripe. It moves no money.

Read `cards.py` (what each test card does), `objects.py` (Stripe's objects), `payments.py` and `pages.py` (the verbs:
what a merchant asks for, and what the buyer does), `chaos.py` (how it misbehaves when told to), `books.py` (SQLite),
`webhooks.py` (signed events, delivered again until they are taken), `form.py` (Stripe's form encoding), `api.py` (its
doors) and `serving.py` (the process).
"""
