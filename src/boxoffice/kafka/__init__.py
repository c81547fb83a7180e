"""Kafka as the bus: an adapter of the kernel's port on confluent-kafka's classic clients, each on a thread of its own.

Read `bus` first (the port's verbs), then `relay` (outbox to topics) and `member` (topics to a group's member).
`rights` is who may do what where the brokers ask.
"""
