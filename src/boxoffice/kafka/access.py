"""How a process reaches the brokers: their addresses and, where users have names, its own and its secrets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boxoffice.startup import StartupProblem


@dataclass(frozen=True)
class Access:
    """With a `user`: SASL/SCRAM over TLS; `secrets` holds `<user>.password` and, for a CA of one's own, `ca.pem`."""

    servers: str
    user: str = ""
    secrets: Path = Path()

    def client(self) -> dict[str, Any]:
        """What every client of librdkafka is told. Raises StartupProblem when the password's file cannot be read."""
        options: dict[str, Any] = {
            "bootstrap.servers": self.servers,
            "client.id": self.user or "boxoffice",
            "log_level": 0,  # librdkafka's own lines; what matters reaches us as an error
            "reconnect.backoff.max.ms": 1000,
        }
        if self.user:
            options |= {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": self.user,
                "sasl.password": self._password(),
            }
            authority = self.secrets / "ca.pem"
            if authority.exists():
                options["ssl.ca.location"] = str(authority)
        return options

    def as_user(self, user: str) -> "Access":
        """The same brokers for another user, if they ask for users at all."""
        return self if not self.user else Access(self.servers, user, self.secrets)

    def _password(self) -> str:
        try:
            return (self.secrets / f"{self.user}.password").read_text().strip()
        except OSError as error:
            raise StartupProblem(
                f"the password of Kafka's user {self.user} cannot be read from {error.filename}: {error.strerror}"
            ) from error
