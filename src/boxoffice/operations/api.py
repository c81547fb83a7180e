"""Operations over HTTP, all on the platform's host and for operators: dead letters, reconciliation, the audit."""

import base64
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from boxoffice.doors import paging
from boxoffice.doors.paging import Page, PageQuery
from boxoffice.kernel import dead_letters, idempotency
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.dead_letters import Letter
from boxoffice.kernel.route import Answer, Call, path_id, user_id
from boxoffice.kernel.tenancy import Directory, Status, Tenant
from boxoffice.operations import actions, store
from boxoffice.operations.comparing import Comparing, Disagreement, OfTenant
from boxoffice.operations.store import Entry

COMPARED = (Status.ACTIVE, Status.SUSPENDED)
TenantName = Annotated[str, msgspec.Meta(max_length=64)]


class LetterQuery(PageQuery, frozen=True, kw_only=True):
    """Dead letters of one tenant (its slug or id) and of one consumer group, if these are named."""

    tenant: TenantName | None = None
    group: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class TenantsQuery(PageQuery, frozen=True, kw_only=True):
    """Disagreements of one tenant (its slug or id), else of all."""

    tenant: TenantName | None = None


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a group could not handle. `value` is its JSON, or, if it is none, its bytes in base64."""

    id: UUID
    tenant: OfTenant
    group: str
    topic: str
    type: str
    subject: str
    attempts: int
    error: str
    died_at: datetime
    headers: dict[str, str]
    value: Any


DeadLetters = Page[DeadLetter]
Disagreements = Page[Disagreement]
Audit = Page[Entry]


class Api:
    """What operators ask and do. `fingerprint` is the secret of idempotent requests."""

    def __init__(self, database: Database, directory: Directory, comparing: Comparing, fingerprint: bytes) -> None:
        self._database = database
        self._directory = directory
        self._comparing = comparing
        self._fingerprint = fingerprint

    async def list_letters(self, call: Call) -> Answer:
        query: LetterQuery = call.query
        before = paging.after(query.cursor, datetime)
        tenant = await self._tenant(query.tenant)
        async with self._database.platform() as tx:
            letters = await dead_letters.newest(
                tx.db, query.limit + 1, tenant_id=tenant.id if tenant else None, group=query.group, before=before
            )
        of = {id: await self._directory.by_id(id) for id in {letter.tenant_id for letter in letters}}
        return Answer(200, paging.page(
            letters, query.limit, lambda letter: (letter.died_at, letter.id),
            lambda letter: _shown(letter, of[letter.tenant_id]),
        ))  # fmt: skip

    async def redrive(self, call: Call) -> Answer:
        letter_id = path_id(call, "letter_id")

        async def work(tx: Tx) -> tuple[int, UUID]:
            await actions.redrive(tx, user_id(call), letter_id)
            return 202, letter_id

        async def render(tx: Tx, resource: str) -> None:
            return None

        return await idempotency.once(self._database, call, self._fingerprint, work, render)

    async def discard(self, call: Call) -> Answer:
        async with self._database.platform() as tx:
            await actions.discard(tx, user_id(call), path_id(call, "letter_id"))
        return Answer(204)

    async def reconcile(self, call: Call) -> Answer:
        query: TenantsQuery = call.query
        tenant = await self._tenant(query.tenant)
        tenants = [each for each in self._directory.all() if each.status in COMPARED] if tenant is None else [tenant]
        return Answer(200, await self._comparing.page(tenants, query.cursor, query.limit))

    async def list_audit(self, call: Call) -> Answer:
        query: PageQuery = call.query
        before = paging.after(query.cursor, datetime)
        async with self._database.platform() as tx:
            entries = await store.newest(tx, query.limit + 1, before)
        return Answer(200, paging.page(entries, query.limit, lambda entry: (entry.at, entry.id), lambda entry: entry))

    async def _tenant(self, name: str | None) -> Tenant | None:
        """The tenant with this slug or id. Raises NotFound `tenant_not_found`."""
        if name is None:
            return None
        try:
            id = UUID(name)
        except ValueError:
            return await self._directory.by_slug(name)
        return await self._directory.by_id(id)


def _shown(letter: Letter, tenant: Tenant) -> DeadLetter:
    return DeadLetter(
        id=letter.id, tenant=OfTenant(id=tenant.id, slug=tenant.slug), group=letter.group, topic=letter.topic,
        type=letter.type, subject=letter.subject, attempts=letter.attempts, error=letter.error,
        died_at=letter.died_at, headers=letter.headers, value=_value(letter.value),
    )  # fmt: skip


def _value(content: bytes) -> Any:
    """What the message says; a value that no JSON can carry is shown as its bytes."""
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return base64.b64encode(content).decode()
