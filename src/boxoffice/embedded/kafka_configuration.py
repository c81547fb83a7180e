"""What a broker of ours is told: its properties, its logging, and the secrets of a secure one."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from boxoffice.embedded.certificates import Certificates
from boxoffice.kafka.rights import password_of

SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
LOGGING = """\
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601}{UTC} %p %m (%c)%n
"""


@dataclass(frozen=True)
class Node:
    """One broker, which is a controller too."""

    number: int
    folder: Path
    port: int
    controller_port: int

    @property
    def properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def logging(self) -> Path:
        return self.folder / "log4j2.properties"

    @property
    def pid_file(self) -> Path:
        return self.folder / "pid"


def server(node: Node, nodes: Sequence[Node], *, secrets: Path | None, admin: str, session_seconds: float) -> str:
    """server.properties: small, quick to start, and quick to notice that a broker or a member of a group is gone."""
    copies = min(3, len(nodes))
    session = round(session_seconds * 1000)
    protocol = "SASL_SSL" if secrets else "PLAINTEXT"
    options: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": node.number,
        "listeners": f"{protocol}://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}",
        "listener.security.protocol.map": f"{protocol}:{protocol},CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": protocol,
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": ",".join(f"{n.number}@127.0.0.1:{n.controller_port}" for n in nodes),
        "log.dirs": node.folder / "log",
        "default.replication.factor": copies,
        "min.insync.replicas": max(1, copies - 1),
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 1,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": max(1, copies - 1),
        "transaction.state.log.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": max(1, copies - 1),
        "auto.create.topics.enable": "false",
        "log.cleaner.dedupe.buffer.size": 2097152,
        "log.cleaner.io.buffer.size": 65536,
        "num.network.threads": 1,
        "num.io.threads": 2,
        "num.replica.fetchers": 1,
        "background.threads": 2,
        "broker.session.timeout.ms": 6000,
        "broker.heartbeat.interval.ms": 500,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        "group.consumer.min.session.timeout.ms": 1000,
        "group.consumer.session.timeout.ms": session,
        "group.consumer.min.heartbeat.interval.ms": 100,
        "group.consumer.heartbeat.interval.ms": max(100, session // 6),
        "group.consumer.assignment.interval.ms": 100,
    }
    if secrets is not None:
        options |= _secured(secrets, admin)
    return "".join(f"{name}={value}\n" for name, value in options.items())


def _secured(secrets: Path, admin: str) -> dict[str, object]:
    """The controllers speak plainly with each other, on the loopback interface."""
    password = (secrets / f"{admin}.password").read_text().strip()
    return {
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
            f'{SCRAM} required username="{admin}" password="{password}";'
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": secrets / "broker.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": secrets / "ca.pem",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{admin};User:ANONYMOUS",
    }


def random_id() -> str:
    """A UUID as Kafka writes it: none that begins with a hyphen, which its tools take for an option."""
    while (made := base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return made


def write_secrets(folder: Path, admin: str, shown: Certificates) -> None:
    """The admin's password, the certificate that the brokers show with its key, and the authority to trust."""
    password_of(admin, folder)
    _write(folder / "broker.pem", shown.key.read_bytes() + shown.certificate.read_bytes())
    _write(folder / "ca.pem", shown.authority.read_bytes())


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
