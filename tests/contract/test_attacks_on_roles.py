"""A9: every door, tried by every role; who may use it is said here a second time, by hand."""

import pytest

from tests.contract.doors import doors, knock
from tests.contract.world import World

EVERYBODY = ("anonymous", "guest", "customer", "scanner", "organizer", "admin")
BUYERS, PEOPLE, STAFF = EVERYBODY[1:], EVERYBODY[2:], EVERYBODY[4:]
# A tenant's doors. One that is missing here fails the suite.
MATRIX = {
    "GET /.well-known/jwks.json": EVERYBODY, "GET /.well-known/ticket-keys.json": EVERYBODY,
    "POST /api/auth/login": EVERYBODY, "POST /api/auth/logout": PEOPLE, "GET /api/auth/me": PEOPLE,
    "POST /api/auth/refresh": EVERYBODY, "POST /api/auth/register": EVERYBODY,
    "GET /api/bookings": BUYERS, "POST /api/bookings": BUYERS, "GET /api/bookings/{booking_id}": BUYERS,
    "GET /api/bookings/{booking_id}/cancellation": BUYERS,
    "POST /api/bookings/{booking_id}/cancellation": BUYERS, "POST /api/bookings/{booking_id}/payments": BUYERS,
    "POST /api/bookings/{booking_id}/refunds": STAFF,
    "GET /api/bookings/{booking_id}/tickets": BUYERS,
    "GET /api/events": EVERYBODY, "POST /api/events": STAFF, "GET /api/events/{event_id}": EVERYBODY,
    "PATCH /api/events/{event_id}": STAFF, "GET /api/events/{event_id}/availability": EVERYBODY,
    "GET /api/events/{event_id}/bookings": STAFF,
    "GET /api/events/{event_id}/cancellation": STAFF, "POST /api/events/{event_id}/cancellation": STAFF,
    "POST /api/events/{event_id}/holds": EVERYBODY, "GET /api/events/{event_id}/offers": EVERYBODY,
    "POST /api/events/{event_id}/publication": STAFF, "PUT /api/events/{event_id}/seat-plan": STAFF,
    "POST /api/guests": EVERYBODY,
    "DELETE /api/holds/{hold_id}": BUYERS, "GET /api/holds/{hold_id}": BUYERS,
    "POST /api/holds/{hold_id}/extension": BUYERS, "PUT /api/holds/{hold_id}/seats": BUYERS,
    "GET /api/notifications/dead": STAFF, "POST /api/notifications/dead/{notification_id}/redrive": STAFF,
    "GET /api/notifications/templates": STAFF,
    "GET /api/openapi.json": EVERYBODY, "GET /api/plans/{name}": EVERYBODY,
    "POST /api/payments/simulated/{reference}": EVERYBODY, "POST /api/payments/webhooks/{provider}": EVERYBODY,
    "GET /assets/{name}": EVERYBODY, "POST /session": EVERYBODY,
}  # fmt: skip
PUBLIC_ON_PLATFORM = {
    "GET /.well-known/jwks.json", "POST /api/auth/login", "POST /api/auth/refresh", "GET /api/openapi.json",
    "GET /assets/{name}", "GET /dev/mail", "GET /dev/mail/{mail_id}",
}  # fmt: skip


def test_every_door_is_in_the_matrix() -> None:
    assert set(doors("tenant")) <= set(MATRIX)


@pytest.mark.parametrize("role", [*EVERYBODY, "operator"])
@pytest.mark.parametrize("name", doors("tenant"))
async def test_a_door_opens_for_those_in_the_matrix_alone(world: World, name: str, role: str) -> None:
    """With ids that nobody has and without a body, so that nothing but the door is tried."""
    who = world.roles("tenant")[role]
    if name.endswith("/logout") and role in PEOPLE:
        who = {"Authorization": f"Bearer {await world.platform.buyer(world.acme.slug)}"}

    reply = await knock(world, name, who, world.acme.slug)

    refusal = (reply.status, reply.code) if reply.status in (401, 403) else None
    if role == "operator":
        assert refusal == (403, "wrong_tenant")
    elif role not in MATRIX[name]:
        assert refusal == ((401, "unauthenticated") if role == "anonymous" else (403, "forbidden"))
    else:
        assert refusal is None


@pytest.mark.parametrize("role", ["anonymous", "operator", "admin"])
@pytest.mark.parametrize("name", doors("platform"))
async def test_the_operators_doors_open_for_operators_alone(world: World, name: str, role: str) -> None:
    who = world.roles("platform")[role]
    if name.endswith("/logout") and role == "operator":
        who = {"Authorization": f"Bearer {await world.platform.operator()}"}

    reply = await knock(world, name, who, "platform")

    refusal = (reply.status, reply.code) if reply.status in (401, 403) else None
    if role == "admin":
        assert refusal == (403, "wrong_tenant")
    elif role == "anonymous" and name not in PUBLIC_ON_PLATFORM:
        assert refusal == (401, "unauthenticated")
    else:
        assert refusal is None
