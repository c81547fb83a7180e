"""Ticket codes: genuine ones are read, everything else is refused."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from boxoffice.tickets import base64url
from boxoffice.tickets.code import Refused, Ticket, sign, verify
from boxoffice.tickets.keys import SigningKey, generate

KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
KEYS = {KEY.kid: KEY.public}
TICKET = Ticket(
    id=UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
    event_id=UUID("01890a5d-ac96-774b-bcce-b302099a8058"),
    seat_no=1203,
    booking_id=UUID("01890a5d-ac96-774b-bcce-b302099a8059"),
)
GOLDEN = (
    "T1.eyJraWQiOiIxSUcydE1IN0oyd2JKWm5PZjhMSnpRaXRLZjdMTXZvQUVsc3VETVZNNTRZIiwidCI6IkFZa0tYYXlXZDB1OHpyT"
    "UNDWnFBVnciLCJlIjoiQVlrS1hheVdkMHU4enJNQ0NacUFXQSIsInMiOjEyMDMsImIiOiJBWWtLWGF5V2QwdTh6ck1DQ1pxQVdRI"
    "n0.g6aZHQ8iIvn8J2_VyzqYBO-ELcqWQ0UZAwadwG5QrSRT71uBxKRXJIU3cnt68IQrHnYI0udkWeoItomOPJQ2Cg"
)

tickets = st.builds(Ticket, id=st.uuids(), event_id=st.uuids(), seat_no=st.integers(0, 99_999), booking_id=st.uuids())


def resigned(payload: bytes, key: SigningKey = KEY) -> str:
    """A code with any payload and a signature that is right for it."""
    signed = f"T1.{base64url.encode(payload)}"
    return f"{signed}.{base64url.encode(key.private.sign(signed.encode()))}"


def payload_of(code: str) -> dict[str, object]:
    decoded: dict[str, object] = msgspec.json.decode(base64url.decode(code.split(".")[1]))
    return decoded


@given(tickets)
def test_a_signed_ticket_is_read_back(ticket: Ticket) -> None:
    code = sign(KEY, ticket)

    assert verify(code, KEYS) == ticket


def test_the_code_of_a_ticket_never_changes() -> None:
    code = sign(KEY, TICKET)

    assert code == GOLDEN


def test_anybody_can_verify_a_code_with_the_published_key_alone() -> None:
    code = sign(KEY, TICKET)

    version, payload, signature = code.split(".")

    signature_bytes = urlsafe_b64decode(signature + "==")
    KEY.public.verify(signature_bytes, f"{version}.{payload}".encode("ascii"))
    assert payload_of(code)["kid"] == KEY.kid
    assert payload_of(code)["s"] == 1203


def test_a_code_is_short_enough_to_scan_from_a_phone() -> None:
    code = sign(KEY, TICKET)

    assert len(code) <= 331  # QR version 13 at error correction M


@given(st.data())
@settings(max_examples=300)
def test_a_code_with_any_character_changed_is_refused(data: st.DataObject) -> None:
    code = sign(KEY, TICKET)
    position = data.draw(st.integers(0, len(code) - 1))
    other = data.draw(st.characters(min_codepoint=1, max_codepoint=255).filter(lambda letter: letter != code[position]))

    verdict = verify(code[:position] + other + code[position + 1 :], KEYS)

    assert isinstance(verdict, Refused)


def test_a_code_that_claims_another_seat_is_refused() -> None:
    code = sign(KEY, TICKET)
    payload = payload_of(code) | {"s": 1}

    forged = f"T1.{base64url.encode(msgspec.json.encode(payload))}.{code.split('.')[2]}"

    assert verify(forged, KEYS) is Refused.BAD_SIGNATURE


def test_a_code_signed_with_a_strangers_key_under_our_kid_is_refused() -> None:
    payload = msgspec.json.encode(payload_of(sign(KEY, TICKET)))

    assert verify(resigned(payload, generate()), KEYS) is Refused.BAD_SIGNATURE


def test_a_code_of_an_unknown_key_is_refused() -> None:
    code = sign(generate(), TICKET)

    assert verify(code, KEYS) is Refused.UNKNOWN_KEY


def test_a_code_of_a_retired_key_is_read_as_long_as_the_key_is_published() -> None:
    older = generate()

    code = sign(older, TICKET)

    assert verify(code, {**KEYS, older.kid: older.public}) == TICKET


@pytest.mark.parametrize(
    "change",
    [{"s": -1}, {"s": "1203"}, {"s": True}, {"t": "short"}, {"t": "=" * 22}, {"kid": ""}, {"vip": True}, {"b": None}],
)
def test_a_payload_of_the_wrong_shape_is_refused_even_when_signed(change: dict[str, object]) -> None:
    payload = payload_of(sign(KEY, TICKET)) | change

    assert verify(resigned(msgspec.json.encode(payload)), KEYS) is Refused.MALFORMED


def test_a_signature_in_another_spelling_is_refused() -> None:
    code = sign(KEY, TICKET)
    last = code[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same_bytes = alphabet[alphabet.index(last) ^ 1]  # the last character of 64 bytes carries four unused bits

    assert verify(code[:-1] + same_bytes, KEYS) is Refused.MALFORMED
    assert verify(code + "==", KEYS) is Refused.MALFORMED


@pytest.mark.parametrize(
    "text", ["", ".", "T1..", "T2.e30.AA", "T1.e30", "T1.e30.AA.AA", "T1.ä.AA", "T1." + "A" * 9999]
)
def test_texts_that_are_no_codes_are_refused(text: str) -> None:
    assert verify(text, KEYS) is Refused.MALFORMED


@given(st.text(max_size=80))
def test_no_text_breaks_the_scanner(text: str) -> None:
    assert isinstance(verify(f"T1.{text}", KEYS), Refused)


@given(st.binary(max_size=40))
def test_base64url_has_one_spelling(data: bytes) -> None:
    text = base64url.encode(data)

    assert base64url.decode(text) == data
    assert text == urlsafe_b64encode(data).decode().rstrip("=")
