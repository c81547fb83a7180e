"""Mails arrive once, whatever the mail server does."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from boxoffice.kernel.lanes import Lanes
from boxoffice.kernel.retries import Policy
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenancy import Directory
from boxoffice.messages import BookingConfirmed, PaymentFailed
from boxoffice.notifications import actions, domain
from boxoffice.notifications.actions import SEND, telling
from tests.notifications.conftest import PostRoom
from tests.support.mail_server import TinyMailServer
from tests.support.purchases import purchase
from tests.support.traffic import armed, deliver, received
from tests.support.waiting import eventually


async def has_failed(post: PostRoom) -> bool:
    async with post.database.transaction(post.tenant) as tx:
        failed: bool = await tx.db.fetchval("SELECT exists (SELECT FROM notifications WHERE last_error IS NOT NULL)")
    return failed


async def is_over(post: PostRoom) -> bool:
    return await post.waiting() == 0


async def test_a_confirmed_booking_is_mailed_once(sent_post: PostRoom, mail_server: TinyMailServer) -> None:
    message = await sent_post.confirm("ada@example.org", "Ada Lovelace")

    await sent_post.send()

    [mail] = mail_server.to("ada@example.org")
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    link = f"http://{sent_post.tenant.slug}.localhost:8000/orders/{message.booking_id}"
    assert mail["Subject"] == "Your tickets for An evening with strings (K7QX2M)"
    assert mail["From"].addresses[0].display_name == sent_post.tenant.name
    assert mail["To"].addresses[0].display_name == "Ada Lovelace"
    for body in (text.get_content(), html.get_content()):
        assert link in body
        assert "Stalls, row C, 5" in body
        assert "€90.00" in body
        assert "Sunday 14 March 2027, 20:00 (Berlin time)" in body
    assert await sent_post.send() == 0


async def test_a_mail_server_that_is_down_costs_patience_and_no_mail(
    sent_post: PostRoom, mail_server: TinyMailServer, address: str
) -> None:
    await mail_server.stop()
    await sent_post.confirm(address)
    assert await sent_post.send() == 1
    assert await sent_post.waiting() == 1

    await mail_server.start()
    await sent_post.send()

    assert len(mail_server.to(address)) == 1
    assert await sent_post.waiting() == 0
    assert await sent_post.send() == 0


async def test_the_timers_of_a_worker_try_again_by_themselves(
    sent_post: PostRoom, mail_server: TinyMailServer, directory: Directory, address: str
) -> None:
    patient = replace(sent_post.sending, attempts_max=1_000)
    service = Service(name="notifications", senders={SEND: patient.send})
    lanes = Lanes([service], sent_post.database, directory, lease=timedelta(seconds=10), policy=Policy())
    await mail_server.stop()
    await sent_post.confirm(address)

    stop = asyncio.Event()
    working = asyncio.create_task(lanes.run(stop))
    try:
        await eventually(lambda: has_failed(sent_post))
        await mail_server.start()
        await eventually(lambda: is_over(sent_post))
    finally:
        stop.set()
        await working

    assert len(mail_server.to(address)) == 1


async def test_the_same_message_again_sends_nothing_more(
    sent_post: PostRoom, mail_server: TinyMailServer, address: str
) -> None:
    bought = purchase(email=address)
    message = received(sent_post.tenant, BookingConfirmed(booking_id=bought.booking_id, purchase=bought))
    handler = telling(domain.booking_confirmed)

    for _ in range(2):
        async with sent_post.database.transaction(sent_post.tenant) as tx:
            await handler(tx, [message])
        await sent_post.send()

    assert len(mail_server.to(address)) == 1


async def test_two_workers_send_one_mail_when_one_took_over(
    sent_post: PostRoom, mail_server: TinyMailServer, address: str
) -> None:
    await sent_post.confirm(address)
    async with sent_post.database.platform() as tx:
        stale = await armed(tx, sent_post.tenant, SEND)
    await sent_post.send()

    await sent_post.sending.send(sent_post.database, sent_post.tenant, stale)

    assert len(mail_server.to(address)) == 1


async def test_a_repeat_after_a_lost_answer_carries_the_same_message_id(
    sent_post: PostRoom, mail_server: TinyMailServer, address: str
) -> None:
    mail_server.verdict = lambda recipient: "crash"
    await sent_post.confirm(address)
    await sent_post.send()

    mail_server.verdict = lambda recipient: None
    await sent_post.send()

    first, second = mail_server.to(address)
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Message-ID"].endswith("@example.org>")


async def test_a_refused_recipient_holds_nobody_up(
    sent_post: PostRoom, mail_server: TinyMailServer, address: str
) -> None:
    mail_server.verdict = lambda recipient: "550 no such user" if recipient.startswith("nobody") else None
    await sent_post.confirm("nobody@example.org")
    await sent_post.confirm(address)

    await sent_post.send()

    assert len(mail_server.to(address)) == 1
    [dead] = await sent_post.dead()
    assert dead.notice.recipient == "nobody@example.org"
    assert "550 no such user" in dead.last_error
    assert dead.attempts == 1


async def test_a_recipient_refused_for_now_is_tried_again_and_given_up_in_the_end(
    sent_post: PostRoom, mail_server: TinyMailServer, address: str
) -> None:
    mail_server.verdict = lambda recipient: "451 later"
    await sent_post.confirm(address)

    rounds = [await sent_post.send() for _ in range(7)]

    assert rounds == [1, 1, 1, 1, 1, 0, 0]
    [dead] = await sent_post.dead()
    assert (dead.attempts, "451 later" in dead.last_error) == (5, True)


async def test_a_mail_that_was_given_up_can_be_sent_again(
    sent_post: PostRoom, mail_server: TinyMailServer, address: str
) -> None:
    mail_server.verdict = lambda recipient: "550 full"
    await sent_post.confirm(address)
    await sent_post.send()
    mail_server.verdict = lambda recipient: None
    [dead] = await sent_post.dead()

    async with sent_post.database.transaction(sent_post.tenant) as tx:
        assert await actions.send_again(tx, dead.id)
        assert not await actions.send_again(tx, dead.id)
    await sent_post.send()

    assert len(mail_server.to(address)) == 1


async def test_a_mail_that_breaks_the_connection_holds_nobody_up(
    sent_post: PostRoom, mail_server: TinyMailServer, address: str
) -> None:
    mail_server.verdict = lambda recipient: "hang up" if recipient.startswith("poison") else None
    await sent_post.confirm("poison@example.org")
    await sent_post.confirm(address)

    await sent_post.send()

    assert len(mail_server.to(address)) == 1
    assert await sent_post.waiting() == 1


async def test_an_address_that_cannot_be_one_is_given_up(sent_post: PostRoom, address: str) -> None:
    await sent_post.confirm("no address\r\nBcc: everyone@example.org")

    await sent_post.send()

    [dead] = await sent_post.dead()
    assert dead.last_error.startswith("not a mail")


async def test_nothing_in_a_name_becomes_a_header(
    sent_post: PostRoom, mail_server: TinyMailServer, address: str
) -> None:
    await sent_post.confirm(address, "Eve\r\nBcc: everyone@example.org")

    await sent_post.send()

    [mail] = mail_server.to(address)
    assert mail["Bcc"] is None
    assert mail["To"].addresses[0].addr_spec == address


async def test_many_mails_go_over_one_connection(sent_post: PostRoom, mail_server: TinyMailServer) -> None:
    for number in range(20):
        await sent_post.confirm(f"buyer{number}@example.org")

    await sent_post.send()

    assert len(mail_server.taken) == 20
    assert mail_server.connections == 1


async def test_two_batches_at_once_do_not_mix(sent_post: PostRoom, mail_server: TinyMailServer) -> None:
    for number in range(10):
        await sent_post.confirm(f"buyer{number}@example.org")
    async with sent_post.database.platform() as tx:
        due = await armed(tx, sent_post.tenant, SEND)

    await asyncio.gather(
        *(sent_post.sending.send(sent_post.database, sent_post.tenant, half) for half in (due[:5], due[5:]))
    )

    assert sorted(to for to, _ in mail_server.taken) == sorted(f"buyer{number}@example.org" for number in range(10))


async def test_a_retryable_decline_finds_out_whom_to_tell(
    sent_post: PostRoom, mail_server: TinyMailServer, address: str
) -> None:
    bought = purchase(email=address)
    sent_post.purchases[bought.booking_id] = bought
    body = PaymentFailed(booking_id=bought.booking_id, attempt=1, retryable=True, reason="insufficient_funds")
    await deliver(sent_post.database, sent_post.tenant, telling(domain.payment_failed), body)

    await sent_post.send()

    [mail] = mail_server.to(address)
    assert mail["Subject"] == "Your payment for An evening with strings did not go through yet"


async def test_a_decline_of_a_booking_that_is_gone_is_given_up(sent_post: PostRoom) -> None:
    bought = purchase()
    body = PaymentFailed(booking_id=bought.booking_id, attempt=1, retryable=True, reason="insufficient_funds")
    await deliver(sent_post.database, sent_post.tenant, telling(domain.payment_failed), body)

    await sent_post.send()

    [dead] = await sent_post.dead()
    assert "not_found" in dead.last_error


async def test_without_a_mail_server_all_mail_is_kept_once(kept_post: PostRoom, address: str) -> None:
    message = await kept_post.confirm(address)

    await asyncio.gather(kept_post.send(), kept_post.send())

    [kept] = await kept_post.mailbox(address.upper())
    assert kept.notice.values["order_path"] == f"/orders/{message.booking_id}"
    assert await kept_post.waiting() == 0
    assert await kept_post.send() == 0
