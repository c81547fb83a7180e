"""Every setting with its default and one sentence; read once from the environment and handed down as plain values."""

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from boxoffice.startup import StartupProblem

PREFIX = "BOXOFFICE_"
FAILPOINT = r"^((before|after) (commit|send) [\w.<>]+(:[1-9][0-9]*)?)?$"  # failpoint.py


def _default_data() -> Path:
    return Path("/var/lib/boxoffice") if os.geteuid() == 0 else Path(".boxoffice")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _half_the_cores() -> int:
    return max(2, _cores() // 2)


def _as_a_sale_needs() -> str:
    """Its batches are the larger the fewer they are, and it takes a quarter of what a sale costs: see decision 49."""
    return f"bookings={max(1, _cores() // 4)}"


class Settings(BaseSettings):
    """Set `BOXOFFICE_<NAME>` to change one."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    bind: str = Field(
        default="127.0.0.1", description="Address on which the platform listens; 0.0.0.0 means everywhere."
    )
    port: int = Field(default=8000, ge=1, le=65535, description="Port of all hosts: storefronts, APIs and consoles.")
    tls_port: int = Field(default=8443, ge=1, le=65535, description="Port of nginx, with TLS: `up --services`.")
    public_url: str = Field(
        default="",
        description="How browsers reach a host, with {slug} in it; empty: http://{slug}.<domain>:<port>.",
    )
    admin_port: int = Field(
        default=0, ge=0, le=65535, description="Loopback port of health and metrics; default: port + 1."
    )
    domain: str = Field(
        default="localhost", description="Tenants live on <slug>.<domain>, the operator on platform.<domain>."
    )
    data: Path = Field(default_factory=_default_data, description="Folder of the embedded servers, secrets and logs.")
    database_url: str = Field(
        default="", description="PostgreSQL 18 or later, as its owner; empty: start the embedded one."
    )
    valkey_url: str = Field(default="", description="Valkey 8 or Redis 7 or later; empty: start the embedded one.")
    smtp_url: str = Field(default="", description="smtp://user:password@host:port; empty: mail goes to /dev/mail.")
    mail_from: str = Field(default="", description="Sender's address of all mail; empty: tickets@<domain>.")
    bus: Literal["", "pglog", "kafka"] = Field(
        default="",
        description="What carries messages: pglog (a log in PostgreSQL) or kafka; empty: pglog, `up --services` kafka.",
    )
    kafka: str = Field(default="", description="Kafka's brokers: host:port,host:port; empty: start the embedded one.")
    kafka_port: int = Field(default=9092, ge=1, le=65535, description="Loopback port of the embedded broker.")
    kafka_secure: bool = Field(
        default=False,
        description="Whether each service signs in at Kafka under its own name, by SASL/SCRAM over TLS.",
    )
    kafka_admin: str = Field(
        default="admin", description="Signs in at Kafka for `boxoffice bus`: makes topics, and logins and their rights."
    )
    kafka_protocol: Literal["consumer", "classic"] = Field(
        default="consumer", description="Kafka's groups: of KIP-848, or classic for brokers older than 4.0."
    )
    kafka_partitions: int = Field(default=4, ge=1, description="Partitions of a topic that is made at Kafka.")
    kafka_copies: int = Field(default=3, ge=1, description="Copies of each of them, as far as there are brokers.")
    kafka_copies_least: int = Field(default=2, ge=1, description="Copies that must have a message before it counts.")
    kafka_retention_days: int = Field(default=7, ge=1, description="How long Kafka keeps messages.")
    discovery: str = Field(
        default="",
        description="Where services in processes of their own listen: static:auth=HOST:PORT,HOST:PORT;events=… .",
    )
    instances: str = Field(
        default_factory=_as_a_sale_needs,
        description="How many processes `up --services` starts of a service, where not one: events=2,bookings=4.",
    )
    demo: bool = Field(default=True, description="Whether `up` sells the demo's events and knows its people.")
    trusted_proxies: str = Field(
        default="", description="Networks (10.0.0.0/8, …) whose X-Forwarded-For is believed; empty: nobody's."
    )
    web_processes: int = Field(default_factory=_half_the_cores, ge=1, description="How many processes answer HTTP.")

    pool_size: int = Field(default=20, ge=1, description="Database connections of one process.")
    reserve_pool_size: int = Field(default=4, ge=1, description="Further ones for relay, timers and refunds alone.")
    least_hold_seconds: float = Field(default=5.0, gt=0, description="Shortest hold that a tenant may set.")
    least_payment_seconds: float = Field(
        default=180.0, gt=0, description="Time to pay that a booking gets at the least."
    )
    cancel_grace_seconds: float = Field(
        default=120.0, gt=0, description="Time that a payment gets to end after an abort."
    )
    lease_seconds: float = Field(default=10.0, gt=0, description="How long a dead worker keeps its share of the work.")
    retry_base_seconds: float = Field(
        default=1.0, gt=0, description="First pause before a failed message is tried again."
    )
    retry_attempts: int = Field(default=12, ge=1, description="Attempts before a message becomes a dead letter.")
    settle_seconds: float = Field(default=1.0, gt=0, description="First pause before a lost payment is asked for.")
    simulated_slow_seconds: float = Field(default=30.0, gt=0, description="How long pm_sim_slow takes.")
    simulated_late_seconds: float = Field(
        default=20.0, gt=0, description="How long after its decline pm_sim_captured_late is captured all the same."
    )
    stripe_url: str = Field(
        default="https://api.stripe.com", description="Stripe's API, or a simulator of it that listens there."
    )
    bcrypt_cost: int = Field(default=12, ge=4, le=31, description="Rounds (as a power of two) that a password costs.")
    otlp_url: str = Field(
        default="",
        description="OpenTelemetry collector (OTLP over HTTP) that traces are sent to; empty: none are made.",
    )
    trace_share: float = Field(default=1.0, ge=0, le=1, description="Share of all traces that are recorded.")
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto: console on a terminal, else json."
    )

    failpoint: str = Field(
        default="",
        pattern=FAILPOINT,
        description="For tests alone: where this process is to die; never set it otherwise.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.admin_port == 0:
            object.__setattr__(self, "admin_port", self.port + 1 if self.port < 65535 else self.port - 1)
        object.__setattr__(self, "data", self.data.absolute())
        return self

    def environment(self) -> dict[str, str]:
        """The same settings for a child process; values are not secret from it, but do not appear in its arguments."""
        values: dict[str, Any] = self.model_dump(mode="json")
        return {f"{PREFIX}{name.upper()}": str(value) for name, value in values.items()}


def misspelt() -> list[str]:
    """A sentence for every variable that looks like a setting and is none."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    sentences = []
    for name in sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known):
        near = get_close_matches(name, known, n=1)
        sentences.append(f"there is no setting {name}" + (f"; did you mean {near[0]}?" if near else ""))
    return sentences


def read_settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        raise StartupProblem(f"{name}: {first['msg']}") from error
