"""The demo put in place: people, venues, programmes and what is sold already, through each service's own store."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from boxoffice.auth import store as people
from boxoffice.auth.domain import Account, Role, Status
from boxoffice.auth.passwords import Passwords
from boxoffice.bookings.actions import open_with_inventory
from boxoffice.bookings.bulk import Allocation, allocate
from boxoffice.bookings.inventory import sales
from boxoffice.demo.parties import parties
from boxoffice.demo.people import DEMO_PASSWORD, OPERATOR, TENANTS, DemoPerson, DemoTenant
from boxoffice.demo.programme import DemoEvent, catalogue
from boxoffice.demo.venues import plan_document
from boxoffice.events import store as programme
from boxoffice.events.actions import END, LASTS_AT_MOST
from boxoffice.events.domain import CANCELLED, PUBLISHED, Event
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.errors import NotFound
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.kernel.timers import Timer
from boxoffice.messages import Category
from boxoffice.payments.simulated import BEHAVIOURS
from boxoffice.seating.categories import match_categories
from boxoffice.seating.parse import parse
from boxoffice.seating.plan import Plan
from boxoffice.tenants.onboarding import Applicant, Onboarding


async def seed(
    database: Database, directory: Directory, passwords: Passwords, onboarding: Onboarding, now: datetime | None = None
) -> None:
    """Make whatever of the demo is missing; what is there stays as its people left it."""
    now = now or datetime.now(UTC)
    plans: dict[str, Plan] = {}
    password_hash: str | None = None
    async with database.platform() as tx:
        if await people.account_by_email(tx, OPERATOR.email) is None:
            password_hash = await passwords.hash(DEMO_PASSWORD)
            await people.add_operator(tx, _account(OPERATOR, password_hash))
    for described in TENANTS:
        tenant = await _tenant(directory, onboarding, described)
        async with database.transaction(tenant) as tx:
            if await people.account_by_email(tx, described.people[0].email) is None:
                password_hash = password_hash or await passwords.hash(DEMO_PASSWORD)
                await people.add_users(tx, [_account(person, password_hash) for person in described.people])
        await _seed_programme(database, tenant, catalogue(tenant.slug, now.date()), plans)


async def _tenant(directory: Directory, onboarding: Onboarding, described: DemoTenant) -> Tenant:
    try:
        return await directory.by_slug(described.slug)
    except NotFound:
        applicant = Applicant(
            email=described.admin.email, password=DEMO_PASSWORD,
            first_name=described.admin.first_name, last_name=described.admin.last_name,
        )  # fmt: skip
        return await onboarding.create(described.slug, described.name, "standard", applicant)


async def _seed_programme(
    database: Database, tenant: Tenant, shows: Sequence[DemoEvent], plans: dict[str, Plan]
) -> None:
    """Each event in a transaction of its own, so that a seeding that was cut short goes on where it was."""
    async with database.transaction(tenant) as tx:
        statuses = (PUBLISHED, CANCELLED)
        known = {event.name for event in await programme.page(tx, statuses, None, None, None, None, 100)}
        await sales.keep_payment_methods(tx, list(BEHAVIOURS))
    for show in shows:
        if show.name not in known:
            async with database.transaction(tenant) as tx:
                await _put_on(tx, show, _plan(show, plans))


def _plan(show: DemoEvent, plans: dict[str, Plan]) -> Plan:
    """A venue's plan, parsed once, its seats in the show's categories."""
    if show.plan not in plans:
        plans[show.plan] = parse(msgspec.json.encode(plan_document(show.plan)))
    return match_categories(plans[show.plan], show.categories)


async def _put_on(tx: Tx, show: DemoEvent, plan: Plan) -> None:
    """Write an event as events and bookings have it once it is published, with what is sold of it."""
    event = Event(
        id=uuid7(), name=show.name, description=show.description, venue=show.venue, time_zone=show.time_zone,
        starts_at=show.starts_at, doors_at=show.doors_at, currency=show.currency,
        categories=[
            Category(key=each.key, name=each.name, color=each.color, price_minor=each.price_minor)
            for each in show.categories
        ],
        opens_at=show.opens_at, closes_at=show.closes_at, max_seats_per_booking=show.max_seats_per_booking,
        status=CANCELLED if show.cancelled else PUBLISHED, plan_hash=plan.hash, seats=plan.seats,
        created_by="demo", created_at=tx.now,
    )  # fmt: skip
    keys = sorted(set(plan.category_keys))
    await programme.keep_plan(tx, plan.hash, plan.name, plan.seats, keys, plan.document)
    await programme.insert(tx, event)
    await open_with_inventory(tx, event.as_sale(), plan.document, plan.seats)
    if show.sold_share:
        sold = [Allocation(*party) for party in parties(plan, show.sold_share, show.key)]
        await allocate(tx, event.id, show.currency, plan, sold)
    if show.cancelled:
        await sales.cancel(tx, event.id)
    else:
        tx.later(Timer(id=event.id, kind=END, at=event.starts_at + LASTS_AT_MOST))


def _account(person: DemoPerson, password_hash: str) -> Account:
    return Account(
        id=uuid7(), email=person.email, password_hash=password_hash, first_name=person.first_name,
        last_name=person.last_name, role=Role(person.role), status=Status.ACTIVE,
    )  # fmt: skip
