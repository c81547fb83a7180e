"""Which bus carries the messages: a log in PostgreSQL, or Apache Kafka."""

from boxoffice.kafka.access import Access
from boxoffice.kafka.bus import KafkaBus
from boxoffice.kafka.topics import Shape
from boxoffice.kernel.bus.pglog import PgLog
from boxoffice.kernel.bus.port import Bus
from boxoffice.kernel.database import Database
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem


def open_bus(settings: Settings, database: Database) -> Bus:
    """The bus that the settings name. Raises StartupProblem when they do not say where it is."""
    if settings.bus != "kafka":
        return PgLog(database, lease_seconds=settings.lease_seconds)
    return KafkaBus(
        database, kafka_access(settings), protocol=settings.kafka_protocol, lease_seconds=settings.lease_seconds,
        shape=Shape(
            partitions=settings.kafka_partitions, copies=settings.kafka_copies,
            copies_least=settings.kafka_copies_least, retention_days=settings.kafka_retention_days,
        ),
    )  # fmt: skip


def kafka_access(settings: Settings) -> Access:
    if not settings.kafka:
        raise StartupProblem("BOXOFFICE_KAFKA: say where the brokers are, as host:port,host:port")
    return Access(settings.kafka, settings.kafka_user, settings.data / "secrets" / "kafka")
