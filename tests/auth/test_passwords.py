"""Hashing: nothing of a password is cut off, nobody's account opens, and a flood is refused."""

import asyncio

import pytest

from boxoffice.auth.passwords import QUEUE_MOST, Passwords
from boxoffice.kernel.errors import Unavailable


async def test_every_character_of_a_long_password_counts() -> None:
    passwords = Passwords(b"pepper", cost=4)

    hashed = await passwords.hash("a" * 72)

    assert await passwords.verify("a" * 72, hashed)
    assert not await passwords.verify("a" * 73, hashed)
    assert not await passwords.verify("a" * 71, hashed)


async def test_a_password_opens_whatever_keyboard_composed_it() -> None:
    passwords = Passwords(b"pepper", cost=4)

    hashed = await passwords.hash("cafe\u0301 ol\u00e9 ol\u00e9")

    assert await passwords.verify("caf\u00e9 ole\u0301 ole\u0301", hashed)


async def test_a_hash_is_worth_nothing_without_the_pepper() -> None:
    hashed = await Passwords(b"pepper", cost=4).hash("a long enough secret")

    assert not await Passwords(b"another", cost=4).verify("a long enough secret", hashed)


async def test_nobody_has_a_password() -> None:
    assert not await Passwords(b"pepper", cost=4).verify("a long enough secret", None)


async def test_more_than_the_queue_holds_are_refused_at_once_and_the_others_served() -> None:
    passwords = Passwords(b"pepper", cost=4)
    floods = [passwords.hash("a long enough secret") for _ in range(2 * QUEUE_MOST + 200)]

    outcomes = await asyncio.gather(*floods, return_exceptions=True)

    refused = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
    served = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(served) >= QUEUE_MOST
    assert refused
    assert refused[0].headers["Retry-After"]
    assert len(refused) + len(served) == len(outcomes)
    with pytest.raises(ValueError, match="Invalid salt"):
        await passwords.verify("a long enough secret", "not a hash")
