"""The stories that pass the failpoints between them: each ends well, whether the platform dies on its way or not."""

from uuid import UUID, uuid4

from boxoffice.messages import InventoryRefused
from tests.faults.stage import Order, Stage
from tests.support.platform import PASSWORD
from tests.support.waiting import eventually

BODY = {"Content-Type": "application/x-www-form-urlencoded"}


# ── buying ───────────────────────────────────────────────────────────────────────────────────────────────────────────
async def bought(stage: Stage) -> None:
    order = await stage.order("pm_card_visa")
    await stage.ends(order, "CONFIRMED")
    tickets = await stage.platform.ask("GET", f"/api/bookings/{order.id}/tickets", slug=order.slug, guest=order.guest)
    assert len(tickets.json["items"]) == 1


async def bought_from_a_new_tenant(stage: Stage) -> None:
    slug = await stage.platform.tenant()
    event = await stage.platform.event(slug, rows=1, seats=2)
    order = await stage.order("pm_card_visa", slug=slug, event=event)
    await stage.ends(order, "CONFIRMED")
    tickets = await stage.platform.ask("GET", f"/api/bookings/{order.id}/tickets", slug=order.slug, guest=order.guest)
    assert len(tickets.json["items"]) == 1


async def declined(stage: Stage) -> None:
    await stage.ends(await stage.order("pm_card_chargeDeclined"), "FAILED")


async def declined_and_paid_again(stage: Stage) -> None:
    order = await stage.order("pm_card_insufficientFunds")

    async def may_pay_again() -> bool:
        action = (await stage.show(order))["next_action"]
        return bool(action) and action["type"] == "retry_payment"

    await eventually(may_pay_again)
    paid = await stage.post(order, "payments", {"payment_method": "pm_card_visa"})
    assert paid.status == 202, paid
    await stage.ends(order, "CONFIRMED")


async def answer_lost(stage: Stage) -> None:
    await stage.ends(await stage.order("pm_sim_lost_reply"), "CONFIRMED")


async def paid_slowly(stage: Stage) -> None:
    await stage.ends(await stage.order("pm_sim_slow"), "CONFIRMED")


async def approved_on_the_bank_s_page(stage: Stage) -> None:
    order = await stage.order("pm_sim_action")

    async def url() -> str | None:
        action = (await stage.show(order))["next_action"]
        return action["url"] if action and action["type"] == "redirect" else None

    page = await eventually(url)
    assert page is not None
    path = page[page.index("/api/") :]
    decided = await stage.platform.ask("POST", path, slug=order.slug, data=b"decision=approve", headers=BODY)
    assert decided.status == 303, decided
    await stage.ends(order, "CONFIRMED")


async def held_longer(stage: Stage) -> None:
    guest, event = await stage.platform.guest(stage.tenant), stage.event(stage.tenant)
    held = await stage.hold(stage.tenant, event, guest)
    extended = await stage.platform.ask("POST", f"/api/holds/{held['id']}/extension", slug=stage.tenant, guest=guest)
    assert extended.status == 200, extended
    released = await stage.platform.ask("DELETE", f"/api/holds/{held['id']}", slug=stage.tenant, guest=guest)
    assert released.status in (204, 404), released  # 404: the answer to the first request was lost


async def expired(stage: Stage) -> None:
    order = await stage.order("pm_sim_never")
    await stage.fire("bookings.saga", order.id)
    await stage.ends(order, "EXPIRED")


async def sold_out(stage: Stage) -> None:
    event = await stage.platform.event(stage.tenant, rows=1, seats=1)
    await stage.ends(await stage.order("pm_card_visa", event=event, seat=0), "CONFIRMED")

    async def known() -> bool:
        shown = await stage.platform.ask("GET", f"/api/events/{event}", slug=stage.tenant)
        return bool(shown.json["sale"] == "sold_out")

    await eventually(known)


# ── giving back ──────────────────────────────────────────────────────────────────────────────────────────────────────
async def aborted(stage: Stage) -> None:
    order = await stage.order("pm_sim_slow")
    given_up = await stage.post(order, "cancellation", {})
    assert given_up.status == 202, given_up
    await stage.ends(order, "CANCELLED")


async def given_back(stage: Stage) -> None:
    order = await _confirmed(stage)
    assert (await stage.post(order, "cancellation", {})).status == 202
    await stage.ends(order, "CANCELLED")


async def taken_back(stage: Stage) -> None:
    order = await _confirmed(stage)
    token = await stage.organizer()
    taken = await stage.platform.ask(
        "POST", f"/api/bookings/{order.id}/refunds", slug=order.slug, token=token, json={"reason": "The hall is closed"}
    )
    assert taken.status == 202, taken
    await stage.ends(order, "CANCELLED")


async def refund_refused_until_the_operator_insists(stage: Stage) -> None:
    order = await _confirmed(stage, "pm_sim_refund_fails_twice")
    assert (await stage.post(order, "cancellation", {})).status == 202
    operator = await stage.platform.operator()

    async def returned() -> bool:
        await stage.platform.ask("POST", f"/api/sagas/{order.id}/retry", token=operator)
        return bool((await stage.show(order))["status"] == "CANCELLED")

    await eventually(returned, within=40)


async def returned_by_hand(stage: Stage) -> None:
    order = await _confirmed(stage, "pm_sim_refund_fails_twice")
    assert (await stage.post(order, "cancellation", {})).status == 202
    operator, path = await stage.platform.operator(), f"/api/sagas/{order.id}"

    async def refused() -> str | None:
        refunds = (await stage.platform.ask("GET", path, token=operator)).json["refunds"]
        return str(refunds[0]["id"]) if refunds and refunds[0]["tries"] else None

    body = {"refund_id": await eventually(refused), "evidence": "transfer 4711"}
    recorded = await stage.platform.ask("POST", f"{path}/refund-evidence", token=operator, json=body)
    assert recorded.status == 202, recorded
    await stage.ends(order, "CANCELLED")


async def undone(stage: Stage) -> None:
    order = await _confirmed(stage)
    undone = await stage.platform.ask(
        "POST", f"/api/sagas/{order.id}/compensation", token=await stage.platform.operator(), json={"reason": "fraud"}
    )
    assert undone.status == 202, undone
    await stage.ends(order, "CANCELLED")


async def event_called_off(stage: Stage) -> None:
    event = await stage.platform.event(stage.tenant, rows=1, seats=4)
    orders = [await stage.order(method, event=event) for method in ("pm_card_visa", "pm_card_visa", "pm_sim_never")]
    for order in orders[:2]:
        await stage.ends(order, "CONFIRMED")
    off = await stage.platform.ask(
        "POST", f"/api/events/{event}/cancellation", slug=stage.tenant, token=await stage.organizer()
    )
    assert off.status == 202, off
    for order in orders:
        await stage.ends(order, "CANCELLED")


async def _confirmed(stage: Stage, method: str = "pm_card_visa") -> Order:
    order = await stage.order(method)
    await stage.ends(order, "CONFIRMED")
    return order


# ── organizers, tenants and people ───────────────────────────────────────────────────────────────────────────────────
async def put_on_sale_and_changed(stage: Stage) -> None:
    event = await stage.platform.event(stage.tenant, rows=2, seats=2)
    token = await stage.organizer()
    name = f"Matinee {uuid4().hex[:6]}"
    changed = await stage.platform.ask(
        "PATCH", f"/api/events/{event}", slug=stage.tenant, token=token, json={"name": name}
    )
    assert changed.status == 200, changed
    order = await stage.order("pm_card_visa", event=event)
    await stage.ends(order, "CONFIRMED")
    await stage.settle()
    assert (await stage.show(order))["event"]["name"] == name


async def refused_by_bookings(stage: Stage) -> None:
    event = await stage.platform.event(stage.tenant, rows=1, seats=1)
    await stage.tell(stage.tenant, InventoryRefused(event_id=UUID(event), reason="no seats"))


async def over(stage: Stage) -> None:
    event = await stage.platform.event(stage.tenant, rows=1, seats=1)
    await stage.fire("events.end", event)
    token = await stage.organizer()

    async def ended() -> bool:
        shown = await stage.platform.ask("GET", f"/api/events/{event}", slug=stage.tenant, token=token)
        return shown.status == 200 and shown.json["status"] == "ENDED"

    await eventually(ended)


async def onboarded(stage: Stage) -> None:
    slug = await stage.platform.tenant()
    await stage.organizer(slug)


async def tenant_changed(stage: Stage) -> None:
    operator, name = await stage.platform.operator(), f"Hall {uuid4().hex[:6]}"
    path = f"/api/tenants/{await stage.tenant_id(stage.tenant)}"
    changed = await stage.platform.ask("PATCH", path, token=operator, json={"name": name})
    assert changed.status == 200, changed
    assert (await stage.platform.ask("GET", path, token=operator)).json["name"] == name
    stage.touched.add(stage.tenant)


async def suspended_and_resumed(stage: Stage) -> None:
    order = await stage.order("pm_sim_never")
    operator = await stage.platform.operator()
    path = f"/api/tenants/{await stage.tenant_id(stage.tenant)}/suspension"
    suspended = await stage.platform.ask("POST", path, token=operator, json={"mode": "strict"})
    assert suspended.status == 200, suspended
    await stage.ends(order, "CANCELLED")
    resumed = await stage.platform.ask("DELETE", path, token=operator)
    assert resumed.status == 204, resumed

    async def serving() -> bool:
        return (await stage.platform.ask("GET", "/api/events", slug=stage.tenant)).status == 200

    await eventually(serving)


async def registered(stage: Stage) -> None:
    email = f"{uuid4().hex}@buyers.example"
    made = await stage.platform.register(stage.tenant, email)
    assert made.status in (201, 409), made  # 409: the answer to the first request was lost
    tokens = (await stage.platform.login(stage.tenant, email, PASSWORD)).json
    renewed = await stage.platform.ask(
        "POST", "/api/auth/refresh", slug=stage.tenant, json={"refresh_token": tokens["refresh_token"]}
    )
    if renewed.status == 401:  # the answer that held the next one was lost: a token is taken once
        renewed = await stage.platform.login(stage.tenant, email, PASSWORD)
    assert renewed.status == 200, renewed
    token = renewed.json["access_token"]
    assert (await stage.platform.ask("POST", "/api/guests", slug=stage.tenant, token=token)).status == 201
    left = await stage.platform.ask("POST", "/api/auth/logout", slug=stage.tenant, token=token)
    assert left.status in (204, 401), left
    stage.touched.add(stage.tenant)


# ── the platform itself ──────────────────────────────────────────────────────────────────────────────────────────────
async def ended_in_good_order(stage: Stage) -> None:
    order = await stage.order("pm_sim_slow")
    stage.platform.interrupt()
    await stage.ends(order, "CONFIRMED")


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────────────────────────
async def misheard(stage: Stage) -> None:
    async with stage.without("payments") as db:
        order = await stage.order("pm_card_visa")

        async def failed_again() -> bool:
            return bool(await db.fetchval("SELECT true FROM platform.retries WHERE grp = 'payments' AND attempts > 1"))

        await eventually(failed_again, within=20)
    await stage.ends(order, "CONFIRMED")


async def unrecorded(stage: Stage) -> None:
    async with stage.without("ledger_entries") as db:
        order = await stage.order("pm_card_visa")

        async def put_off() -> bool:
            return bool(
                await db.fetchval("SELECT true FROM platform.timers WHERE kind = 'payments.charge' AND attempts > 1")
            )

        await eventually(put_off, within=20)
    await stage.ends(order, "CONFIRMED")


async def buried_and_redriven(stage: Stage) -> None:
    async with stage.without("payments"):
        order = await stage.order("pm_card_visa")
        letter = await eventually(lambda: _dead_letter(stage, "BookingRequested"), within=20)
    operator = await stage.platform.operator()
    redriven = await stage.platform.ask("POST", f"/api/dead-letters/{letter}/redrive", token=operator)
    assert redriven.status == 202, redriven
    await stage.ends(order, "CONFIRMED")


async def buried_and_discarded(stage: Stage) -> None:
    token, event = await stage.organizer(), await stage.platform.event(stage.tenant, rows=1, seats=1)
    async with stage.without("sales"):
        await stage.platform.ask(
            "PATCH", f"/api/events/{event}", slug=stage.tenant, token=token, json={"venue": f"Barn {uuid4().hex[:6]}"}
        )
        letter = await eventually(lambda: _dead_letter(stage, "EventChanged"), within=20)
    operator = await stage.platform.operator()
    discarded = await stage.platform.ask("DELETE", f"/api/dead-letters/{letter}", token=operator)
    assert discarded.status in (204, 404), discarded  # 404: the answer to the first request was lost


async def _dead_letter(stage: Stage, type: str) -> str | None:
    async with stage.superuser() as db:
        found: str | None = await db.fetchval("SELECT id::text FROM platform.dead_letters WHERE type = $1", type)
    return found


# ── mail ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
async def posted(stage: Stage) -> None:
    before = len(stage.mail.taken)
    order = await stage.order("pm_card_visa", slug=stage.posting)
    await stage.ends(order, "CONFIRMED")
    await eventually(lambda: len(stage.mail.taken) > before, within=20)


async def refused_by_the_mail_server(stage: Stage) -> None:
    stage.mail.verdict = lambda recipient: "450 later"
    try:
        order = await stage.order("pm_card_visa", slug=stage.posting)
        await eventually(lambda: _notice(stage, order, "attempts > 1"), within=20)
    finally:
        stage.mail.verdict = lambda recipient: None


async def given_up_and_sent_again(stage: Stage) -> None:
    stage.mail.verdict = lambda recipient: "550 no such user"
    try:
        order = await stage.order("pm_card_visa", slug=stage.posting)
        notice = await eventually(lambda: _notice(stage, order, "status = 'DEAD'"), within=20)
    finally:
        stage.mail.verdict = lambda recipient: None
    sent = await stage.platform.ask(
        "POST", f"/api/notifications/dead/{notice}/redrive", slug=stage.posting,
        token=await stage.organizer(stage.posting),
    )  # fmt: skip
    assert sent.status == 202, sent


async def _notice(stage: Stage, order: Order, condition: str) -> str | None:
    """The notice about this order, once the condition holds of it."""
    async with stage.superuser() as db:
        found: str | None = await db.fetchval(
            f'SELECT id::text FROM "tenant_{order.slug}".notifications'
            f" WHERE strpos(payload::text, $1) > 0 AND {condition}",
            order.id,
        )
    return found
