"""Password hashing: bcrypt over a peppered pre-hash, in a bounded pool, as it is the cheapest way to stop a server."""

import asyncio
import base64
import hmac
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

from boxoffice.auth.domain import normal_password
from boxoffice.kernel.errors import Unavailable

QUEUE_MOST = 50
T = TypeVar("T")


class Passwords:
    """Hashes and verifies. bcrypt reads 72 bytes at most and stops at NUL; HMAC-SHA384 in base64 is 64 clean ones."""

    def __init__(self, pepper: bytes, *, cost: int = 12) -> None:
        self._pepper = pepper
        self._cost = cost
        # No password has this hash; checking it costs as much as checking that of a real account.
        self._nobody = f"$2b${cost:02}${'.' * 53}"
        self._workers = 2 * (os.cpu_count() or 1)
        self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix="passwords")
        self._pending = 0

    async def hash(self, password: str) -> str:
        """A salted hash of `password`. Raises Unavailable `overloaded` when too many wait already."""
        text = self._prehash(password)
        return await self._run(lambda: bcrypt.hashpw(text, bcrypt.gensalt(self._cost)).decode())

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether `password` has this hash; without a hash as slow a no. Raises Unavailable `overloaded`."""
        text = self._prehash(password)
        expected = (password_hash or self._nobody).encode()
        return await self._run(lambda: bcrypt.checkpw(text, expected)) and password_hash is not None

    def _prehash(self, password: str) -> bytes:
        return base64.b64encode(hmac.digest(self._pepper, normal_password(password).encode(), "sha384"))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._pending >= self._workers + QUEUE_MOST:
            raise Unavailable("overloaded", "Too many people sign in at once; try again in a moment.")
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._pending -= 1
