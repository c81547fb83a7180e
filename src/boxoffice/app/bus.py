"""Which bus carries the messages: a log in PostgreSQL, or Apache Kafka."""

from collections.abc import Sequence

from boxoffice.kafka.access import Access
from boxoffice.kafka.bus import KafkaBus
from boxoffice.kafka.topics import Shape
from boxoffice.kernel.bus.pglog import PgLog
from boxoffice.kernel.bus.port import Bus
from boxoffice.kernel.database import Database
from boxoffice.messages import topics_of
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem


def open_bus(settings: Settings, database: Database, names: Sequence[str] = ()) -> Bus:
    """The bus that the settings name, for these services or, without any, for an operator.

    Raises StartupProblem when the settings do not say where it is.
    """
    if settings.bus != "kafka":
        return PgLog(database, lease_seconds=settings.lease_seconds)
    return KafkaBus(
        database, kafka_access(settings, names[0] if names else settings.kafka_admin),
        protocol=settings.kafka_protocol, lease_seconds=settings.lease_seconds,
        shape=Shape(
            partitions=settings.kafka_partitions, copies=settings.kafka_copies,
            copies_least=settings.kafka_copies_least, retention_days=settings.kafka_retention_days,
        ),
        writers={name: topics_of(name) for name in names} if settings.kafka_secure else {},
    )  # fmt: skip


def kafka_access(settings: Settings, user: str) -> Access:
    """How to reach the brokers; under a user's name where they ask for one."""
    if not settings.kafka:
        raise StartupProblem("BOXOFFICE_KAFKA: say where the brokers are, as host:port,host:port")
    return Access(settings.kafka, user if settings.kafka_secure else "", settings.data / "secrets" / "kafka")
