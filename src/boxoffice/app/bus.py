"""Which buses can carry the messages: a log in PostgreSQL, and Apache Kafka; and how they move between these."""

from collections.abc import Callable, Mapping, Sequence

from boxoffice.app.described import described_services
from boxoffice.crossing.bus import CarriedBus
from boxoffice.crossing.moving import Groups
from boxoffice.kafka.access import Access
from boxoffice.kafka.bus import KafkaBus
from boxoffice.kafka.topics import Shape
from boxoffice.kernel.bus.pglog import PgLog
from boxoffice.kernel.bus.port import Bus
from boxoffice.kernel.database import Database
from boxoffice.messages import topics_of
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem


def open_bus(settings: Settings, database: Database, names: Sequence[str] = ()) -> CarriedBus:
    """The bus that carries messages, wherever they move, for these services or, without any, for an operator."""
    return CarriedBus(database, builders(settings, database, names))


def builders(settings: Settings, database: Database, names: Sequence[str] = ()) -> Mapping[str, Callable[[], Bus]]:
    """What makes each bus; Kafka's raises StartupProblem when the settings do not say where that is."""
    return {"pglog": lambda: _pglog(settings, database), "kafka": lambda: _kafka(settings, database, names)}


def groups() -> Groups:
    """Every consumer group and the topics that it reads."""
    return {service.name: service.topics for service in described_services() if service.topics}


def _pglog(settings: Settings, database: Database) -> PgLog:
    return PgLog(database, lease_seconds=settings.lease_seconds)


def _kafka(settings: Settings, database: Database, names: Sequence[str]) -> KafkaBus:
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
