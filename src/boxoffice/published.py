"""The documents that are written from the code: what services tell each other, and the booking saga's table."""

import inspect
import re
import types
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any, Union, get_args, get_origin

import msgspec

from boxoffice import messages
from boxoffice.bookings import saga
from boxoffice.bookings.saga import Effect, Row, State, Trigger
from boxoffice.kernel.message import Message
from boxoffice.kernel.service import Service

GENERATED = "<!-- Written by `python -m boxoffice {command}`; do not edit. -->\n"
MESSAGES_INTRODUCTION = """\
# Messages

Everything that the services tell each other, from [messages.py](../src/boxoffice/messages.py). A message is a fact in
the past tense, or a request to one service. It is written to the outbox in the transaction that made it true and
reaches every consumer at least once; a consumer's inbox lets it act once. Messages of one booking, event or user arrive
in the order in which they were published. The value is JSON; ids are UUIDs, times RFC 3339, money integers in minor
units. The headers are attributes of CloudEvents: `source subject tenantid partitionkey schemaversion correlationid`,
and where known `causationid` and `traceparent`. A message that nobody could handle is announced on `<topic>.dlq`.
"""
SAGA_INTRODUCTION = """\
# The booking saga

Every state and every trigger of a booking, from [saga.py](../src/boxoffice/bookings/saga.py). What happened (a message,
a timer, a buyer's wish) is turned into a trigger by [decide.py](../src/boxoffice/bookings/decide.py); the table says
what becomes of the booking and what is done, and [executor.py](../src/boxoffice/bookings/executor.py) does it in one
transaction. To clients EXPIRING is CANCELLING. A pair of a state and a trigger is in exactly one of three tables: it
acts, it is ignored, or only a defect reaches it; then the message goes to the dead letters.
"""


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def messages_page(services: Sequence[Service]) -> str:
    """docs/messages.md: every message with its topic, its producer, its consumers and its fields."""
    producers = message_producers()
    parts = [GENERATED.format(command="messages"), MESSAGES_INTRODUCTION, *_overview(services, producers)]
    for message in messages.MESSAGES:
        parts.append(f"\n## {message.__name__}\n\n{_sentences(message)}\n")
        parts.append(_facts(message, producers[message.__name__], consumers_of(message, services)))
        parts += _fields_table(message)
    parts.append("\n# Values inside messages")
    for value in _values():
        parts.append(f"\n## {value.__name__}\n\n{_sentences(value)}\n")
        parts += _fields_table(value)
    return "\n".join(parts).rstrip() + "\n"


def message_producers() -> dict[str, str]:
    """Which service publishes a message."""
    return {message.__name__: service for service, told in messages.PUBLISHED.items() for message in told}


def consumers_of(message: type[Message], services: Sequence[Service]) -> list[str]:
    return [service.name for service in services if any(s.message is message for s in service.subscriptions)]


def _overview(services: Sequence[Service], producers: dict[str, str]) -> Iterator[str]:
    yield "| message | topic | from | to |\n|---|---|---|---|"
    for message in messages.MESSAGES:
        name, consumers = message.__name__, consumers_of(message, services)
        link = f"[{name}](#{name.lower()})"
        yield f"| {link} | `{message.topic}` | {producers[name]} | {', '.join(consumers) or 'nobody yet'} |"


def _facts(message: type[Message], producer: str, consumers: list[str]) -> str:
    told = ", ".join(consumers) or "nobody yet"
    return f"Topic `{message.topic}`, version {message.schema_version}; from {producer} to {told}.\n"


def _fields_table(kind: type[msgspec.Struct]) -> Iterator[str]:
    yield "| field | type |\n|---|---|"
    for field in msgspec.structs.fields(kind):
        default = "" if field.default is msgspec.NODEFAULT else f", default {str(field.default).lower()}"
        yield f"| `{field.name}` | {_type_name(field.type)}{default} |"


def _values() -> list[type[msgspec.Struct]]:
    """The structs that messages contain, in the order in which messages.py defines them."""
    return [
        value
        for value in vars(messages).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and not issubclass(value, Message)
    ]


def _type_name(kind: Any) -> str:
    if get_origin(kind) is list:
        return f"list of {_type_name(get_args(kind)[0])}"
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_type_name(part) for part in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    names = {"str": "text", "int": "integer", "bool": "true or false", "datetime": "time", "NoneType": "null"}
    return names.get(kind.__name__, str(kind.__name__))


def _sentences(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())


# ── the saga ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def saga_page() -> str:
    """docs/saga.md: the state diagram, the cells that act, those that are ignored, those that only a defect reaches."""
    parts = [GENERATED.format(command="saga"), SAGA_INTRODUCTION, *_diagram(), *_acting()]
    parts += _resting("Ignored", "Nothing is done.", saga.IGNORED)
    parts += _resting("Only a defect comes here", "The message is parked and ends as a dead letter.", saga.ILLEGAL)
    parts += _glossary("States", State)
    parts += _glossary("Triggers", Trigger)
    parts += ["\n## Effects\n\nIn the order in which they are done.\n\n| effect | what is done |\n|---|---|"]
    parts += [f"| {effect.name} | {effect.value} |" for effect in Effect]
    return "\n".join(parts).rstrip() + "\n"


def _diagram() -> Iterator[str]:
    """An arrow for each pair of states; triggers that leave the state as it is are in the table only."""
    labels: dict[tuple[State, State], list[str]] = {}
    for (state, trigger), row in saga.ROWS.items():
        if row.next is not state:
            labels.setdefault((state, row.next), []).append(trigger.name)
    yield "```mermaid\nstateDiagram-v2\n    [*] --> NEW"
    for (before, after), triggers in labels.items():
        yield f"    {before.name} --> {after.name}: {', '.join(triggers)}"
    for state in (State.CONFIRMED, *saga.ENDED):
        yield f"    {state.name} --> [*]"
    yield "```"


def _acting() -> Iterator[str]:
    yield "\n## What acts\n\n| in this state | hearing this | becomes | and does, in this order |\n|---|---|---|---|"
    for (state, trigger), cell in saga.TABLE.items():
        if isinstance(cell, Row):
            becomes = cell.next.name if cell.next is not state else "stays"
            does = ", ".join(effect.name for effect in cell.effects)
            yield f"| {state.name} | {trigger.name} | {becomes} | {does} |"


def _resting(
    title: str, what: str, rules: Sequence[tuple[tuple[State, ...], tuple[Trigger, ...], str]]
) -> Iterator[str]:
    yield f"\n## {title}\n\n{what}\n\n| in these states | hearing any of these | because |\n|---|---|---|"
    for states, triggers, reason in rules:
        yield f"| {_names(states)} | {_names(triggers)} | {reason} |"


def _glossary(title: str, kind: type[Enum]) -> Iterator[str]:
    """Members and what the comments beside them say."""
    yield f"\n## {title}\n\n| name | meaning |\n|---|---|"
    said = dict(re.findall(r"^    (\w+) = \"\w+\"  # (.+)$", inspect.getsource(kind), re.MULTILINE))
    for member in kind:
        if member.name in said:
            yield f"| {member.name} | {said[member.name]} |"


def _names(members: Sequence[Enum]) -> str:
    return ", ".join(member.name for member in members)
