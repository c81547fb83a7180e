"""Death before and after every commit and every send: born again, the platform keeps what it promised.

Which points there are is read from the source; each is passed by one of the stories below, dies there, and the story
goes on against the platform that is born again. One that no story passes fails `test_every_failpoint_has_a_story`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import pytest

from tests.faults import stories
from tests.faults.stage import Stage
from tests.kafka.test_relay_deaths import POINTS as PASSED_ON_KAFKA
from tests.support.failpoints import found
from tests.support.mail_server import TinyMailServer
from tests.support.mortal import Mortal
from tests.support.platform import Platform
from tests.support.servers import temporary_folder

LEASE = {"lease_seconds": "0.5", "web_processes": "1"}
ROUNDS_MAX = 4  # of a story, until what happens now and then has happened


class Act(NamedTuple):
    """A story and the points it passes, each without its before and after. `posting`: its mail is posted."""

    story: Callable[[Stage], Awaitable[None]]
    points: tuple[str, ...]
    posting: bool = False
    attempts: str = "12"


ACTS = (
    Act(stories.bought, (
        "commit bookings.api.Api.hold", "commit bookings.api.Api._keyed", "commit kernel.idempotency.once",
        "send bookings.inventory.holds.Holds.put.<locals>.run", "commit bookings.actions.Bookings._request_all",
        "send bookings.inventory.holds.Holds.end.<locals>.run", "send kernel.wake.Wake._send",
        "commit kernel.bus.pglog.PgLog.relay", "commit kernel.consumer.Consumer._transact",
        "commit kernel.bus.pglog.PgLogMember.commit", "commit payments.BookingRequested",
        "commit kernel.lanes.Lanes._claim",
        "commit payments.charging.Charging.charge", "send payments.charging._within", "send simulated.charge",
        "commit payments.simulated.Simulator.charge", "commit payments.charging.Charging._record",
        "commit bookings.PaymentCompleted", "commit notifications.BookingConfirmed",
        "commit notifications.sending.Sending.send", "commit notifications.sending.Sending._keep",
    )),
    Act(stories.bought_from_a_new_tenant, ("commit bookings.ticketing.Ticketing._signing_keys",)),
    Act(stories.declined, ("commit notifications.BookingFailed",)),
    Act(stories.declined_and_paid_again, (
        "commit bookings.PaymentFailed", "commit notifications.PaymentFailed", "commit bookings.api.Api.pay_again",
        "commit bookings.api.answer_once",
    )),
    Act(stories.answer_lost, ("send simulated.lookup", "commit payments.simulated.Simulator.lookup")),
    Act(stories.paid_slowly, (
        "commit payments.simulated.Simulator.capture_due", "commit payments.simulated.Simulator.due_deliveries",
        "send payments.deliveries.Deliveries._post", "commit payments.api.PaymentDoors.webhook",
        "commit payments.simulated.Simulator.delivered",
    )),
    Act(stories.approved_on_the_bank_s_page, (
        "commit bookings.PaymentActionRequired", "commit payments.simulated.Simulator.decide",
    )),
    Act(stories.expired, (
        "commit bookings.saga", "commit kernel.lanes.Lanes._handling.<locals>.work",
        "commit payments.PaymentCancelRequested",
        "send simulated.cancel", "commit payments.simulated.Simulator.cancel", "commit bookings.PaymentCancelled",
        "commit notifications.BookingExpired",
    )),
    Act(stories.sold_out, ("commit events.SaleChanged", "commit bookings.sold_out")),
    Act(stories.aborted, (
        "commit bookings.giving_back.api.GivingBackApi.cancel", "commit payments.BookingCancelled",
        "commit notifications.BookingCancelled",
    )),
    Act(stories.given_back, (
        "commit payments.RefundRequested", "send simulated.refund", "commit payments.simulated.Simulator.refund",
        "commit payments.charging.Charging.refund:2", "commit bookings.PaymentRefunded",
    )),
    Act(stories.taken_back, ("commit bookings.giving_back.api.GivingBackApi.refund",)),
    Act(stories.undone, ("commit bookings.monitor.api.MonitorApi.compensate", "commit operations.OperatorIntervened")),
    Act(stories.refund_refused_until_the_operator_insists, (
        "commit bookings.RefundFailed", "commit bookings.monitor.api.MonitorApi.retry",
        "commit bookings.monitor.api.MonitorApi._act",
    )),
    Act(stories.returned_by_hand, ("commit bookings.monitor.api.MonitorApi.mark_refunded",)),
    Act(stories.event_called_off, (
        "commit events.api.Api.cancel", "commit bookings.EventCancelled", "commit bookings.emptying",
        "commit notifications.EventCancelled",
    )),
    Act(stories.put_on_sale_and_changed, (
        "commit events.api.Api.create", "commit events.api.Api._once", "commit events.api.Api.give_plan",
        "commit events.api.Api.publish", "commit bookings.EventPublishing",
        "commit bookings.actions.Bookings.make_inventory:2", "commit events.InventoryReady",
        "commit notifications.EventCreated", "commit events.api.Api.change", "commit bookings.EventChanged",
        "send doors.peers.Peers.call",
    )),
    Act(stories.refused_by_bookings, ("commit events.InventoryRefused",)),
    Act(stories.over, ("commit events.end",)),
    Act(stories.onboarded, (
        "commit tenants.api.Api.create", "commit tenants.api.Api._once:2", "commit kernel.migrate.provision",
        "commit auth.api.Api.create_admin", "commit tenants.onboarding.Onboarding.provision:2",
        "commit payments.TenantCreated", "commit notifications.TenantCreated", "commit bookings.PaymentMethodsChanged",
    )),
    Act(stories.tenant_changed, ("commit tenants.api.Api.change", "commit payments.TenantChanged")),
    Act(stories.suspended_and_resumed, (
        "commit tenants.api.Api.suspend", "commit bookings.TenantSuspended", "commit bookings.suspended",
        "commit tenants.api.Api.resume", "commit operations.TenantSuspended", "commit operations.TenantResumed",
    )),
    Act(stories.registered, (
        "commit auth.api.Api.register", "commit auth.api.Api.login:2", "commit auth.api.Api.refresh",
        "commit auth.api.Api.guest", "commit auth.api.Api.logout", "commit notifications.UserRegistered",
    )),
    Act(stories.held_longer, ("commit bookings.api.Api.extend",)),
    Act(stories.misheard, (
        "commit kernel.consumer.Consumer._fail", "commit kernel.consumer.Consumer.try_again",
        "commit kernel.consumer.Consumer.try_again:2", "commit kernel.worker._retrying.<locals>.retry",
    )),
    Act(stories.unrecorded, ("commit kernel.lanes.Lanes._put_off",)),
    Act(stories.buried_and_redriven, ("commit operations.api.Api.redrive",), attempts="1"),
    Act(stories.buried_and_discarded, ("commit operations.api.Api.discard",), attempts="1"),
    Act(stories.posted, (
        "send notifications.sender.MailServer._send", "commit notifications.sending.Sending._post_one:2",
    ), posting=True),
    Act(stories.refused_by_the_mail_server, ("commit notifications.sending.Sending._fail",), posting=True),
    Act(stories.given_up_and_sent_again, (
        "commit notifications.api.NotificationDoors.send_again",
    ), posting=True),
    Act(stories.ended_in_good_order, (
        "commit kernel.bus.pglog.PgLogMember.close", "commit kernel.bus.pglog.PgLog.declare",
        "commit kernel.bus.pglog.PgLog._renew", "commit kernel.bus.pglog.PgLogMember.rebalance",
        "commit kernel.bus.pglog.PgLog.housekeep", "commit kernel.worker._housekeeping.<locals>.keep",
        "commit kernel.lanes.Lanes._watch", "commit notifications.mailbox.Emptying.run",
    )),
)  # fmt: skip

# A death there is a death somewhere else: nothing is written.
READS = {
    "commit app.process.Process.answers", "commit auth.api.Api.login", "commit auth.api.Api.me",
    "commit bookings.actions.Bookings.look", "commit bookings.actions.Bookings.consumer_of",
    "commit bookings.actions.Bookings.make_inventory", "commit bookings.actions.Bookings.page",
    "commit bookings.api.Api.purchase", "commit bookings.giving_back.api.GivingBackApi._progress",
    "commit bookings.giving_back.api.GivingBackApi.preview", "commit bookings.inventory.catalogue.Catalogue._read",
    "commit bookings.inventory.catalogue.Catalogue.require_method",
    "commit bookings.inventory.holding.Holding._claimed", "commit bookings.inventory.live.Live._read",
    "commit bookings.monitor.api.MonitorApi._find", "commit bookings.monitor.api.MonitorApi._find:2",
    "commit bookings.monitor.api.MonitorApi._items", "commit bookings.monitor.api.MonitorApi.list_sagas",
    "commit bookings.monitor.reconciliation.Reconciliation.page", "commit bookings.monitor.store.stuck_of_all",
    "commit bookings.orders.api.OrdersApi.list_orders",
    "commit bookings.ticketing.Ticketing.tickets", "commit events.api.Api.cancellation",
    "commit crossing.carrier.carrier_of",
    "commit events.api.Api.list_events", "commit events.api.Api.plan", "commit events.api.Api.plan_for_peers",
    "commit events.api.Api.show", "commit kernel.bus.pglog.PgLog._learn_topics", "commit kernel.bus.pglog.PgLog.lag",
    "commit kernel.bus.pglog.PgLog.refresh_heads", "commit kernel.bus.pglog.PgLogMember.poll",
    "commit kernel.gauges.Sampler.sample", "commit kernel.tenancy.Directory.refresh",
    "commit notifications.api.NotificationDoors.list_dead", "commit notifications.api.NotificationDoors.list_mail",
    "commit notifications.api.NotificationDoors.show_mail", "commit notifications.sending.Sending._post_one",
    "commit operations.api.Api.list_audit", "commit operations.api.Api.list_letters",
    "commit payments.api.PaymentDoors.accounts", "commit payments.api.PaymentDoors.crooked",
    "commit payments.api.PaymentDoors.of_booking", "commit payments.charging.Charging.refund",
    "commit payments.charging.Charging.settle", "commit payments.simulated.Simulator.waiting",
    "commit tenants.api.Api._once", "commit tenants.api.Api.list", "commit tenants.api.Api.show",
    "commit tenants.onboarding.Onboarding.provision", "commit tenants.onboarding.Onboarding.settled",
}  # fmt: skip
# Whoever typed these at a terminal sees them die, and types them again.
COMMANDS = {
    "commit crossing.carrier.begin", "commit crossing.carrier.finish", "commit crossing.carrier.give_up",
    "commit app.bus_chores.replay", "commit app.chores.create_operator", "commit kernel.bus.pglog.PgLog.seek",
    "commit seeding._seed_programme", "commit seeding._seed_programme:2", "commit seeding.seed",
    "commit seeding.seed:2", "commit tenants.onboarding.Onboarding.create",
}  # fmt: skip

# Only a platform on Kafka passes these: what its relay does is in tests/kafka/test_relay_deaths.py, and the rest is of
# commands, or the last act of a process, whose lease lapses by itself.
ON_KAFKA = {
    *PASSED_ON_KAFKA, "commit kafka.bus.KafkaBus._do_seeks", "commit kafka.bus.KafkaBus._do_seeks:2",
    "commit kafka.bus.KafkaBus.seek", "commit kafka.bus.KafkaBus.seek:2", "commit kafka.relay.Relay.close",
}  # fmt: skip

SWEEP = [
    pytest.param(act, f"{moment} {point}", id=f"{moment} {point}")
    for act in ACTS for point in act.points for moment in ("before", "after")
]  # fmt: skip


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Stage]:
    with temporary_folder() as folder:
        platform, mail = Mortal(folder, LEASE), TinyMailServer()
        try:
            await platform.start()
            stage = Stage(platform, mail)
            await stage.furnish()
            yield stage
        finally:
            await platform.stop()
            await mail.stop()


def test_every_failpoint_has_a_story() -> None:
    told = {point for act in ACTS for point in act.points}

    excused = READS | COMMANDS | ON_KAFKA
    assert found() - told - excused == set()
    assert (told | excused) - found() == set()
    assert told & excused == set()


@pytest.mark.parametrize(
    ("failpoint", "says"),
    [
        ("before commit payments.BookingRequested", "BOXOFFICE_FAILPOINT is for tests of a single process"),
        ("now and then", "BOXOFFICE_FAILPOINT: String should match pattern"),
    ],
)
async def test_nobody_starts_a_platform_that_dies_on_purpose(failpoint: str, says: str) -> None:
    with temporary_folder() as folder:
        platform = Platform(folder, {"failpoint": failpoint})

        with pytest.raises(AssertionError, match=says):
            await platform.command("up")


@pytest.mark.prove
@pytest.mark.parametrize(("act", "failpoint"), SWEEP)
async def test_a_death_there_breaks_no_promise(stage: Stage, act: Act, failpoint: str) -> None:
    platform = stage.platform
    posting = {"smtp_url": stage.mail.url} if act.posting else {}
    await platform.die()
    platform.deaths.clear()
    await platform.live(failpoint, retry_attempts=act.attempts, **posting)

    for _ in range(ROUNDS_MAX):
        await act.story(stage)
        if platform.deaths:
            break
    await stage.settle()

    assert platform.deaths == [failpoint]
