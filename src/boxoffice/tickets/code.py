"""Ticket codes: `T1.<payload>.<signature>`, Ed25519 over the ASCII text `T1.<payload>`, verified without a network."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta

from boxoffice.tickets import base64url
from boxoffice.tickets.keys import SigningKey

VERSION = "T1"
CODE_LENGTH_MAX = 1_024

ShortId = Annotated[str, Meta(min_length=22, max_length=22)]
"""A UUID's 16 bytes in base64url: 22 characters for 36, because a smaller code scans better."""


class Payload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands in the code, in short names: key, ticket, event, seat number, booking."""

    kid: Annotated[str, Meta(min_length=1, max_length=64)]
    t: ShortId
    e: ShortId
    s: Annotated[int, Meta(ge=0)]
    b: ShortId


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """The right to one seat of one event, as a code carries it."""

    id: UUID
    event_id: UUID
    seat_no: int
    booking_id: UUID


class Refused(StrEnum):
    """Why a code is no ticket of ours."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"


def sign(key: SigningKey, ticket: Ticket) -> str:
    """The ticket's code; the same ticket and key give the same code every time."""
    payload = Payload(
        kid=key.kid,
        t=base64url.encode(ticket.id.bytes),
        e=base64url.encode(ticket.event_id.bytes),
        s=ticket.seat_no,
        b=base64url.encode(ticket.booking_id.bytes),
    )
    signed = f"{VERSION}.{base64url.encode(msgspec.json.encode(payload))}"
    return f"{signed}.{base64url.encode(key.private.sign(signed.encode('ascii')))}"


def verify(code: str, keys: Mapping[str, Ed25519PublicKey]) -> Ticket | Refused:
    """The ticket of a code signed by one of `keys` (by kid), or why it is none. Never raises for any text."""
    if len(code) > CODE_LENGTH_MAX or not code.isascii() or code.count(".") != 2:
        return Refused.MALFORMED
    version, encoded, encoded_signature = code.split(".")
    if version != VERSION:
        return Refused.MALFORMED
    try:
        payload = msgspec.json.decode(base64url.decode(encoded), type=Payload)
        signature = base64url.decode(encoded_signature)
        ticket = Ticket(
            id=UUID(bytes=base64url.decode(payload.t)),
            event_id=UUID(bytes=base64url.decode(payload.e)),
            seat_no=payload.s,
            booking_id=UUID(bytes=base64url.decode(payload.b)),
        )
    except (ValueError, msgspec.MsgspecError):
        return Refused.MALFORMED
    public = keys.get(payload.kid)
    if public is None:
        return Refused.UNKNOWN_KEY
    try:
        public.verify(signature, f"{VERSION}.{encoded}".encode("ascii"))
    except InvalidSignature:
        return Refused.BAD_SIGNATURE
    return ticket
