"""The simulator's books: Stripe's objects as JSON in one SQLite file, per account (that is, per secret key)."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

Object = dict[str, Any]
TABLES = """
    CREATE TABLE IF NOT EXISTS stripe_objects (
        number  INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        id      TEXT NOT NULL UNIQUE,
        kind    TEXT NOT NULL,
        parent  TEXT,
        due     REAL,
        body    TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS stripe_objects_by_kind ON stripe_objects (account, kind, number);
    CREATE INDEX IF NOT EXISTS stripe_objects_by_parent ON stripe_objects (parent);
    CREATE TABLE IF NOT EXISTS stripe_answers (
        account     TEXT NOT NULL,
        key         TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        status      INTEGER NOT NULL,
        body        BLOB NOT NULL,
        PRIMARY KEY (account, key)
    );
    CREATE TABLE IF NOT EXISTS stripe_deliveries (
        number   INTEGER PRIMARY KEY AUTOINCREMENT,
        event    TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        due      REAL,
        attempts INTEGER NOT NULL DEFAULT 0
    );
"""


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered under an idempotency key."""

    fingerprint: str
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to an endpoint."""

    number: int
    event: str
    endpoint: str
    attempts: int


def account_of(secret_key: str) -> str:
    """Which books belong to a key; the key itself is not kept."""
    return "acct_" + hashlib.sha256(secret_key.encode()).hexdigest()[:16]


class Books:
    """All accounts' books. Each verb runs in `writing()`: it is written as a whole or not at all."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(TABLES)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def save(self, account: str, body: Object, *, parent: str | None = None, due: float | None = None) -> Object:
        """Write an object; one that is there gets this body and clock, and keeps its parent."""
        self._db.execute(
            """
            INSERT INTO stripe_objects (account, id, kind, parent, due, body) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (id) DO UPDATE SET body = excluded.body, due = excluded.due
            """,
            (account, body["id"], body["object"], parent, due, msgspec.json.encode(body).decode()),
        )
        return body

    def find(self, account: str, kind: str, id: str) -> Object | None:
        row = self._db.execute(
            "SELECT body FROM stripe_objects WHERE account = ? AND kind = ? AND id = ?", (account, kind, id)
        ).fetchone()
        return msgspec.json.decode(row[0]) if row else None

    def anywhere(self, kind: str, id: str) -> tuple[str, Object] | None:
        """An object by its id alone, with its account: for pages, whose addresses are secret."""
        row = self._db.execute(
            "SELECT account, body FROM stripe_objects WHERE kind = ? AND id = ?", (kind, id)
        ).fetchone()
        return (row[0], msgspec.json.decode(row[1])) if row else None

    def all(self, account: str, kind: str, parent: str | None = None) -> list[Object]:
        """Newest first."""
        rows = self._db.execute(
            """
            SELECT body FROM stripe_objects
             WHERE account = ? AND kind = ? AND (? IS NULL OR parent = ?) ORDER BY number DESC
            """,
            (account, kind, parent, parent),
        )
        return [msgspec.json.decode(row[0]) for row in rows.fetchall()]

    def due(self, now: float) -> list[tuple[str, Object]]:
        """Objects whose clock has run down, with their accounts."""
        rows = self._db.execute("SELECT account, body FROM stripe_objects WHERE due <= ? ORDER BY due", (now,))
        return [(row[0], msgspec.json.decode(row[1])) for row in rows.fetchall()]

    def answered(self, account: str, key: str) -> Answered | None:
        row = self._db.execute(
            "SELECT fingerprint, status, body FROM stripe_answers WHERE account = ? AND key = ?", (account, key)
        ).fetchone()
        return Answered(*row) if row else None

    def keep_answer(self, account: str, key: str, answered: Answered) -> None:
        self._db.execute(
            "INSERT INTO stripe_answers (account, key, fingerprint, status, body) VALUES (?, ?, ?, ?, ?)",
            (account, key, answered.fingerprint, answered.status, answered.body),
        )

    def deliver(self, event: str, endpoint: str, due: float) -> None:
        self._db.execute(
            "INSERT INTO stripe_deliveries (event, endpoint, due) VALUES (?, ?, ?)", (event, endpoint, due)
        )

    def deliveries(self, now: float) -> list[Delivery]:
        rows = self._db.execute(
            """
            SELECT number, event, endpoint, attempts FROM stripe_deliveries
             WHERE due <= ? ORDER BY due, number LIMIT 50
            """,
            (now,),
        )
        return [Delivery(*row) for row in rows.fetchall()]

    def tried(self, delivery: Delivery, again_at: float | None) -> None:
        """It was taken or given up (None), or is sent again."""
        self._db.execute(
            "UPDATE stripe_deliveries SET due = ?, attempts = attempts + 1 WHERE number = ?",
            (again_at, delivery.number),
        )

    def object(self, id: str) -> Object | None:
        row = self._db.execute("SELECT body FROM stripe_objects WHERE id = ?", (id,)).fetchone()
        return msgspec.json.decode(row[0]) if row else None
