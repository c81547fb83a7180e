"""Kafka's tools can be told the ids that are made for it."""

from boxoffice.embedded.kafka_configuration import random_id


def test_no_id_looks_like_an_option() -> None:
    made = {random_id() for _ in range(2_000)}

    assert len(made) == 2_000
    assert not any(each.startswith("-") for each in made)
