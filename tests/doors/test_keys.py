"""Keys: made once, kept private, rotated without surprising anyone."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from boxoffice.doors.keys import PUBLISHED_SECONDS, Keyring, public_keys, thumbprint


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def age(path: Path, seconds: float) -> None:
    """Make a key file look as if it had been made a while ago."""
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "keys"

    first = Keyring(folder).signing("access")
    second = Keyring(folder).signing("access")

    assert first.kid == second.kid == thumbprint(first.private.public_key())
    assert mode(folder) == 0o700
    assert [(path.name, mode(path)) for path in folder.iterdir()] == [("access.1.pem", 0o600)]


def test_many_processes_that_start_at_once_agree_on_one_key_and_one_secret(tmp_path: Path) -> None:
    rings = [Keyring(tmp_path) for _ in range(16)]

    with ThreadPoolExecutor(16) as pool:
        kids = set(pool.map(lambda ring: ring.signing("access").kid, rings))
        secrets = set(pool.map(lambda ring: ring.secret("hold"), rings))

    assert len(kids) == len(secrets) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"access.1.pem", "hold.secret"}


def test_the_secret_has_32_bytes_and_another_name_has_another(tmp_path: Path) -> None:
    ring = Keyring(tmp_path)

    assert len(ring.secret("hold")) == 32
    assert ring.secret("hold") != ring.secret("pepper")
    assert mode(tmp_path / "hold.secret") == 0o600


def test_a_damaged_secret_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "hold.secret").write_bytes(b"short")

    with pytest.raises(ValueError, match=r"hold\.secret"):
        Keyring(tmp_path).secret("hold")


def test_a_new_key_is_published_before_it_signs_and_the_old_one_still_verifies(tmp_path: Path) -> None:
    old = Keyring(tmp_path).signing("access")
    age(tmp_path / "access.1.pem", PUBLISHED_SECONDS)

    new = Keyring(tmp_path).rotate("access")
    fresh = Keyring(tmp_path)
    before = fresh.signing("access").kid
    published = set(fresh.public("access"))
    age(new, PUBLISHED_SECONDS)
    after = Keyring(tmp_path).signing("access").kid

    assert before == old.kid
    assert after != old.kid
    assert published == {old.kid, after}


def test_a_jwks_shows_the_public_halves_only(tmp_path: Path) -> None:
    ring = Keyring(tmp_path)
    access, guest = ring.signing("access"), ring.signing("guest")

    jwks = ring.jwks("access", "guest")

    assert set(public_keys(jwks)) == {access.kid, guest.kid}
    assert all(set(key) == {"kty", "crv", "x", "use", "alg", "kid"} and key["use"] == "sig" for key in jwks["keys"])


def test_a_jwks_entry_that_is_no_ed25519_key_is_passed_over(tmp_path: Path) -> None:
    jwks = Keyring(tmp_path).jwks("access")
    odd = [{}, {"kty": "oct", "k": "c2VjcmV0"}, {"kty": "OKP", "crv": "Ed25519", "x": "c2hvcnQ"},
           {"kty": "OKP", "crv": "Ed25519", "x": 5}, {"kty": "OKP", "crv": "X25519", "x": ""}]  # fmt: skip

    assert len(public_keys({"keys": [*odd, *jwks["keys"]]})) == 1


def test_a_services_public_half_lies_beside_its_key_for_its_peers(tmp_path: Path) -> None:
    key = Keyring(tmp_path).signing("service-bookings", share=True)

    shared = Keyring(tmp_path).shared("service-")

    assert {kid: name for kid, (name, _) in shared.items()} == {key.kid: "bookings"}
    assert b"PRIVATE" not in (tmp_path / "service-bookings.1.pub").read_bytes()
