"""The Stripe adapter of the provider port, on Stripe's own SDK.

Read `provider.py` (the port: batches, webhooks), `intents.py` (a card: one PaymentIntent per attempt), `checkout.py`
(Stripe's hosted page), `refunding.py`, then `answers.py` (Stripe's words in ours; pure) and `account.py` (the keys).
"""
