"""Ticket keys: Ed25519, one set per tenant, published as a JWKS, the private half at rest only under a master key."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from boxoffice.tickets import base64url

MASTER_KEY_BYTES = 32
NONCE_BYTES = 12
WRAPPING = b"boxoffice ticket key 1"
"""Names the purpose and the form of a wrapped key; part of what is authenticated."""


class KeyUnreadable(Exception):
    """A wrapped key that this master key and this tenant do not open."""


@dataclass(frozen=True, eq=False)
class SigningKey:
    """The private half. It never leaves the process but wrapped."""

    private: Ed25519PrivateKey

    @cached_property
    def public(self) -> Ed25519PublicKey:
        return self.private.public_key()

    @cached_property
    def kid(self) -> str:
        return thumbprint(self.public)

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r})"


def generate() -> SigningKey:
    """A new key."""
    return SigningKey(Ed25519PrivateKey.generate())


def wrap(key: SigningKey, master_key: bytes, tenant: UUID) -> bytes:
    """The private key encrypted under the master key, for this tenant only (AES-256-GCM, nonce first)."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _cipher(master_key).encrypt(nonce, key.private.private_bytes_raw(), _belongs_to(tenant))


def unwrap(wrapped: bytes, master_key: bytes, tenant: UUID) -> SigningKey:
    """The inverse of `wrap`; raises KeyUnreadable for another master key, another tenant or changed bytes."""
    try:
        raw = _cipher(master_key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _belongs_to(tenant))
        return SigningKey(Ed25519PrivateKey.from_private_bytes(raw))
    except (InvalidTag, ValueError) as error:
        raise KeyUnreadable("the ticket key cannot be opened with this master key") from error


def jwk(public: Ed25519PublicKey) -> dict[str, str]:
    """The public key as RFC 8037 writes it."""
    return {**_members(public), "kid": thumbprint(public), "alg": "EdDSA", "use": "sig"}


def jwks(publics: Iterable[Ed25519PublicKey]) -> dict[str, list[dict[str, str]]]:
    """What GET /.well-known/ticket-keys.json answers."""
    return {"keys": [jwk(public) for public in publics]}


def read_jwks(document: Mapping[str, Any]) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a JWKS by their kid; keys of other kinds are passed over."""
    return {
        member["kid"]: Ed25519PublicKey.from_public_bytes(base64url.decode(member["x"]))
        for member in document["keys"]
        if member.get("kty") == "OKP" and member.get("crv") == "Ed25519" and "kid" in member
    }


def thumbprint(public: Ed25519PublicKey) -> str:
    """RFC 7638: the hash of the required members in lexical order; the key's id."""
    canonical = json.dumps(_members(public), separators=(",", ":"), sort_keys=True)
    return base64url.encode(sha256(canonical.encode("ascii")).digest())


def _members(public: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": base64url.encode(public.public_bytes_raw())}


def _cipher(master_key: bytes) -> AESGCM:
    if len(master_key) != MASTER_KEY_BYTES:
        raise ValueError(f"a master key has {MASTER_KEY_BYTES} bytes")
    return AESGCM(master_key)


def _belongs_to(tenant: UUID) -> bytes:
    return WRAPPING + tenant.bytes
