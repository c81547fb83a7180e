"""Ticket keys at rest and in public."""

from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from boxoffice.tickets import base64url
from boxoffice.tickets.keys import KeyUnreadable, generate, jwk, jwks, read_jwks, thumbprint, unwrap, wrap

MASTER_KEY = bytes(range(32))
TENANT = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
NEIGHBOUR = UUID("01890a5d-ac96-774b-bcce-b302099a8058")


def test_a_wrapped_key_is_the_same_key_when_unwrapped() -> None:
    key = generate()

    again = unwrap(wrap(key, MASTER_KEY, TENANT), MASTER_KEY, TENANT)

    assert again.kid == key.kid
    assert again.private.private_bytes_raw() == key.private.private_bytes_raw()


def test_a_wrapped_key_does_not_show_the_private_bytes() -> None:
    key = generate()

    wrapped = wrap(key, MASTER_KEY, TENANT)

    assert key.private.private_bytes_raw() not in wrapped
    assert wrapped != wrap(key, MASTER_KEY, TENANT)


def test_a_wrapped_key_opens_for_its_tenant_only() -> None:
    wrapped = wrap(generate(), MASTER_KEY, TENANT)

    with pytest.raises(KeyUnreadable):
        unwrap(wrapped, MASTER_KEY, NEIGHBOUR)


def test_a_wrapped_key_does_not_open_under_another_master_key() -> None:
    wrapped = wrap(generate(), MASTER_KEY, TENANT)

    with pytest.raises(KeyUnreadable):
        unwrap(wrapped, bytes(32), TENANT)


@pytest.mark.parametrize("position", [0, 11, 12, -1])
def test_a_changed_byte_is_noticed(position: int) -> None:
    wrapped = bytearray(wrap(generate(), MASTER_KEY, TENANT))
    wrapped[position] ^= 1

    with pytest.raises(KeyUnreadable):
        unwrap(bytes(wrapped), MASTER_KEY, TENANT)


@pytest.mark.parametrize("wrapped", [b"", b"short", bytes(60)])
def test_bytes_that_are_no_wrapped_key_are_unreadable(wrapped: bytes) -> None:
    with pytest.raises(KeyUnreadable):
        unwrap(wrapped, MASTER_KEY, TENANT)


def test_a_master_key_has_the_right_length() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        wrap(generate(), b"too short", TENANT)


def test_the_thumbprint_is_the_one_of_rfc_8037() -> None:
    public = Ed25519PublicKey.from_public_bytes(base64url.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"))

    assert thumbprint(public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_published_keys_are_public_and_can_be_read_back() -> None:
    one, other = generate(), generate()

    published = jwks([one.public, other.public])

    assert set(read_jwks(published)) == {one.kid, other.kid}
    assert set(published["keys"][0]) == {"kty", "crv", "x", "kid", "alg", "use"}
    assert read_jwks(published)[one.kid].public_bytes_raw() == one.public.public_bytes_raw()


def test_keys_of_other_kinds_are_passed_over() -> None:
    key = generate()

    read = read_jwks({"keys": [{"kty": "RSA", "kid": "r", "n": "AQAB"}, jwk(key.public)]})

    assert set(read) == {key.kid}


def test_a_signing_key_does_not_print_its_secret() -> None:
    key = generate()

    assert repr(key) == f"SigningKey(kid={key.kid!r})"
