"""Kafka among the embedded servers: one broker on a known port, started, watched and stopped like the others."""

from pathlib import Path

from boxoffice.embedded.kafka import Kafka
from boxoffice.embedded.kafka_jars import TOOLS
from boxoffice.embedded.servers import is_running


class Broker:
    """One broker on the data directory; `boxoffice kafka` starts the same one by hand.

    `session_seconds`: how long a group waits for a member that says nothing.
    """

    name = "Kafka"

    def __init__(self, home: Path, port: int, session_seconds: float) -> None:
        self._home = home / "kafka"
        self._kafka = Kafka(self._home, tools=TOOLS, ports=(port,), session_seconds=session_seconds)

    @property
    def pid(self) -> int | None:
        return self._kafka.living(1)

    def start(self) -> None:
        """Also again, when it has died."""
        self._kafka.start()

    def stop(self) -> None:
        self._kafka.stop()

    def clear_the_way(self) -> None:
        """Stop the broker that a killed supervisor left behind."""
        if self._home.exists() and not is_running(self._home):
            self._kafka.stop_orphans()
