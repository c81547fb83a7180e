"""Payments: charges what bookings ask for, once, and tells what became of it; returns money the same way.

The story of a payment. `BookingRequested` writes a row REQUESTED and arms a timer that is due at once. The sender
`payments.charge` marks the row PROCESSING, asks the provider outside any transaction, and records the answer together
with its message. An answer that does not come leaves the row UNKNOWN: nothing is assumed, `payments.settle` asks the
provider again by the payment's key until it knows. A webhook is only a reason to ask. A cancellation that arrives
before its request leaves a tombstone; one that arrives in flight is the provider's to answer. Money that is captured
after a decline or a cancellation is told as `PaymentCompleted` too: the booking's saga decides what it is worth.

What was captured and returned stands in a double-entry ledger too. Each tenant chooses its provider; a payment
remembers who took it.

Read `domain.py` (states, answers, THE TABLE), `service.py` (the doors), `actions.py` (messages in, answers recorded),
`ledger.py` (the double entries), `charging.py` (the conversations with the providers), `provider.py` (the port), then
the adapters: `simulated.py` (its behaviour by test token), `bank.py` (its books) and `deliveries.py` (its webhooks),
and `stripe_adapter/`.
"""
