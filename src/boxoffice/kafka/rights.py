"""Who may do what at the brokers: a login for each service, which writes its own topics and reads what it hears."""

import asyncio
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from boxoffice.kafka.access import Access
from boxoffice.kernel.bootstrap import kept_password

ANSWER_SECONDS_MAX = 10.0
ITERATIONS = 8_192


@dataclass(frozen=True)
class Rights:
    """Topics, each with that of its dead letters: who writes one relays those who died of it too."""

    writes: Collection[str]
    reads: Collection[str]


async def grant(access: Access, users: Mapping[str, Rights]) -> None:
    """Make each user's login (its password is kept in, or made for, `secrets`) and give it these rights, no others.

    Raises KafkaException when the brokers refuse it to us.
    """
    admin = AdminClient(access.client())
    for user in users:
        password = password_of(user, access.secrets).encode()
        mechanism = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
        await _answers(admin.alter_user_scram_credentials([UserScramCredentialUpsertion(user, mechanism, password)]))
    for user, rights in users.items():
        wanted = set(_bindings(user, rights))
        found = set(await asyncio.wrap_future(admin.describe_acls(_all_of(user), request_timeout=ANSWER_SECONDS_MAX)))
        if missing := wanted - found:
            await _answers(admin.create_acls(list(missing), request_timeout=ANSWER_SECONDS_MAX))
        if stale := found - wanted:
            exact = [_exactly(each) for each in stale]
            await _answers(admin.delete_acls(exact, request_timeout=ANSWER_SECONDS_MAX))


def password_of(user: str, folder: Path) -> str:
    """The one that is kept for this user, made if there is none."""
    return kept_password(folder / f"{user}.password")


def _bindings(user: str, rights: Rights) -> list[AclBinding]:
    """Names and sizes are no secret to a user: it has to see that a topic is there, and how far a group is."""
    return [
        *(_allow(user, ResourceType.TOPIC, topic, AclOperation.WRITE) for topic in rights.writes),
        *(_allow(user, ResourceType.TOPIC, topic, AclOperation.READ) for topic in rights.reads),
        _allow(user, ResourceType.GROUP, user, AclOperation.READ),
        _allow(user, ResourceType.TOPIC, "*", AclOperation.DESCRIBE),
        _allow(user, ResourceType.GROUP, "*", AclOperation.DESCRIBE),
    ]


def _allow(user: str, kind: ResourceType, name: str, operation: AclOperation) -> AclBinding:
    return AclBinding(kind, name, ResourcePatternType.LITERAL, f"User:{user}", "*", operation, AclPermissionType.ALLOW)


def _all_of(user: str) -> AclBindingFilter:
    any_name: Any = None
    return AclBindingFilter(
        ResourceType.ANY, any_name, ResourcePatternType.ANY, f"User:{user}", any_name,
        AclOperation.ANY, AclPermissionType.ANY,
    )  # fmt: skip


def _exactly(one: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        one.restype, one.name, one.resource_pattern_type, one.principal, one.host, one.operation, one.permission_type
    )


async def _answers(asked: Mapping[Any, "Future[Any]"]) -> None:
    await asyncio.gather(*map(asyncio.wrap_future, asked.values()))
