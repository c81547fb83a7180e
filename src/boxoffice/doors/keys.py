"""Keys: Ed25519 key files and secrets in one folder, each made once, by whichever process first needs it.

`access.1.pem` is a private key, `access.2.pem` its successor: the newest one signs, all of them verify.
`service-bookings.1.pub` is the public half that lies beside a service's private key for its peers.
"""

import base64
import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

RESCAN_SECONDS = 30.0
PUBLISHED_SECONDS = 600.0  # a new key is shown this long before it signs, so that nobody meets it unprepared
SECRET_BYTES = 32


class SigningKey(NamedTuple):
    """A private key and the name under which verifiers find its public half."""

    kid: str
    private: Ed25519PrivateKey


def thumbprint(public: Ed25519PublicKey) -> str:
    """The key's id: its JWK thumbprint (RFC 7638, with the members of RFC 8037)."""
    members = f'{{"crv":"Ed25519","kty":"OKP","x":"{_x(public)}"}}'
    return _base64url(hashlib.sha256(members.encode()).digest())


def jwk(public: Ed25519PublicKey) -> dict[str, str]:
    """A public key as a JSON Web Key for signatures."""
    return {"kty": "OKP", "crv": "Ed25519", "x": _x(public), "use": "sig", "alg": "EdDSA", "kid": thumbprint(public)}


def public_keys(jwks: Mapping[str, Any]) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a JWKS by their thumbprints; what a `kid` there claims is not believed."""
    found = {}
    for entry in jwks.get("keys", []):
        if entry.get("kty") == "OKP" and entry.get("crv") == "Ed25519" and isinstance(entry.get("x"), str):
            with contextlib.suppress(ValueError):
                key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(entry["x"] + "=="))
                found[thumbprint(key)] = key
    return found


class Keyring:
    """The keys and secrets of one folder; with `only`, those of these names, and the public halves of peers."""

    def __init__(self, folder: Path, only: Collection[str] | None = None) -> None:
        self._folder = folder
        self._only = only
        self._signing: dict[str, tuple[float, SigningKey]] = {}
        self._secrets: dict[str, bytes] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def signing(self, name: str, *, share: bool = False) -> SigningKey:
        """The key that signs for `name`, made if there is none; `share` lays its public half beside it."""
        self._check(name)
        known = self._signing.get(name)
        if known is not None and time.monotonic() - known[0] < RESCAN_SECONDS:
            return known[1]
        paths = self._numbered(name, ".pem")
        if not paths:
            paths = [self._make_key(name, 1)]
        settled = [path for path in paths if time.time() - path.stat().st_mtime >= PUBLISHED_SECONDS]
        private = _private(max(settled, key=_number, default=min(paths, key=_number)))
        if share:
            for path in paths:
                _create(path.with_suffix(".pub"), _public_pem(_private(path)), 0o644)
        key = SigningKey(thumbprint(private.public_key()), private)
        self._signing[name] = (time.monotonic(), key)
        return key

    def rotate(self, name: str) -> Path:
        """Make the successor of `name`'s newest key; it signs once it has been published for ten minutes."""
        self._check(name)
        newest = max((_number(path) for path in self._numbered(name, ".pem")), default=0)
        return self._make_key(name, newest + 1)

    def public(self, name: str) -> dict[str, Ed25519PublicKey]:
        """The public halves of all keys of `name` by their ids."""
        self._check(name)
        if not self._numbered(name, ".pem"):
            self._make_key(name, 1)
        halves = [_private(path).public_key() for path in self._numbered(name, ".pem")]
        return {thumbprint(half): half for half in halves}

    def shared(self, prefix: str) -> dict[str, tuple[str, Ed25519PublicKey]]:
        """The public halves that lie here under names beginning with `prefix`: id → (rest of the name, key)."""
        found = {}
        for path in sorted(self._folder.glob(f"{prefix}*.pub")):
            key = load_pem_public_key(path.read_bytes())
            if isinstance(key, Ed25519PublicKey):
                found[thumbprint(key)] = (path.name.removeprefix(prefix).split(".")[0], key)
        return found

    def jwks(self, *names: str) -> dict[str, Any]:
        """The public keys of these names as a JSON Web Key Set (RFC 7517)."""
        return {"keys": [jwk(key) for name in names for key in self.public(name).values()]}

    def secret(self, name: str) -> bytes:
        """The 32 random bytes called `name`, made if they do not exist."""
        self._check(name)
        value = self._secrets.get(name)
        if value is None:
            path = self._folder / f"{name}.secret"
            if not path.exists():
                _create(path, secrets.token_bytes(SECRET_BYTES), 0o600)
            value = path.read_bytes()
            if len(value) != SECRET_BYTES:
                raise ValueError(f"{path.name} must hold {SECRET_BYTES} bytes")
            self._secrets[name] = value
        return value

    def _check(self, name: str) -> None:
        if self._only is not None and name not in self._only:
            raise RuntimeError(f"this process has no business with the key {name!r}")

    def _numbered(self, name: str, suffix: str) -> list[Path]:
        return [path for path in self._folder.glob(f"{name}.*{suffix}") if path.name.split(".")[1].isdecimal()]

    def _make_key(self, name: str, number: int) -> Path:
        path = self._folder / f"{name}.{number}.pem"
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _create(path, pem, 0o600)
        return path


def _create(path: Path, content: bytes, mode: int) -> None:
    """Write a file that nobody ever sees half-written; if another process was first, its file stays."""
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _private(path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path.name} must hold an Ed25519 key")
    return key


def _public_pem(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _number(path: Path) -> int:
    return int(path.name.split(".")[1])


def _x(public: Ed25519PublicKey) -> str:
    return _base64url(public.public_bytes(Encoding.Raw, PublicFormat.Raw))


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
