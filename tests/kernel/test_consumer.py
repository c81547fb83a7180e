"""Consumers: once in effect, batches, the order of a subject, parking, dead letters and what becomes of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from boxoffice.kernel import retries
from boxoffice.kernel.bus.port import Bus
from boxoffice.kernel.consumer import Consumer
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.errors import Conflict, Unavailable
from boxoffice.kernel.message import Envelope, Received, encode
from boxoffice.kernel.retries import Policy
from boxoffice.kernel.service import Service, on
from boxoffice.kernel.tenancy import Directory, Tenant
from tests.support.messaging import Noted, Struck, fresh_topic, publish, working
from tests.support.tenancy import NewTenant
from tests.support.waiting import eventually

Handler = Callable[[Tx, Sequence[Received[Noted]]], Awaitable[None]]


class Notebook:
    """A service that writes down what it is told, and fails where a test wants it to."""

    def __init__(self, *, hold: bool = True) -> None:
        self.name = fresh_topic().replace("test.", "notebook-")
        self.written: list[str] = []
        self.batches: list[int] = []
        self.fails: dict[str, Exception] = {}
        self.service = Service(
            self.name, subscriptions=[on(Noted, self._note, hold=hold), on(Struck, self._note, hold=hold)]
        )

    async def _note(self, tx: Tx, messages: Sequence[Received[Noted]]) -> None:
        for message in messages:
            if message.body.text in self.fails:
                raise self.fails[message.body.text]
        texts = [message.body.text for message in messages]
        self.batches.append(len(texts))
        tx.after_commit(lambda: self.written.extend(texts))

    def about(self, texts: Sequence[str]) -> list[str]:
        return [text for text in self.written if text in texts]


async def tell(database: Database, tenant: Tenant, *messages: Noted) -> None:
    async with database.transaction(tenant) as tx:
        for message in messages:
            tx.publish(message)


def note(about: UUID, text: str) -> Noted:
    return Noted(about=about, text=text)


async def letters(database: Database, tenant: Tenant, group: str) -> list[UUID]:
    async with database.platform() as tx:
        rows = await tx.db.fetch(
            "SELECT id FROM platform.dead_letters WHERE grp = $1 AND tenant_id = $2", group, tenant.id
        )
    return [row["id"] for row in rows]


async def parked(database: Database, tenant: Tenant, group: str) -> int:
    async with database.transaction(tenant) as tx:
        return int(await tx.db.fetchval("SELECT count(*) FROM platform.retries WHERE grp = $1", group))


async def test_messages_of_one_transaction_come_as_one_batch_of_one_tenant_in_order(
    database: Database, directory: Directory, new_tenant: NewTenant
) -> None:
    one, other, notebook = await new_tenant(), await new_tenant(), Notebook()
    ones, others = [f"one-{n}" for n in range(50)], [f"other-{n}" for n in range(50)]

    async with working(database, directory, notebook.service):
        await asyncio.gather(
            tell(database, one, *(note(uuid4(), text) for text in ones)),
            tell(database, other, *(note(uuid4(), text) for text in others)),
        )
        await eventually(lambda: len(notebook.about(ones + others)) == 100)

    assert notebook.about(ones) == ones
    assert notebook.about(others) == others
    assert max(notebook.batches) > 10


async def test_a_message_delivered_again_has_no_second_effect(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    notebook, text, last = Notebook(), str(uuid4()), str(uuid4())
    async with working(database, directory, notebook.service) as bus:
        await tell(database, tenant, note(uuid4(), text))
        await eventually(lambda: notebook.about([text]))

    for (topic, part), _ in (await bus.lag(notebook.name, notebook.service.topics)).items():
        await bus.seek(notebook.name, topic, part, 0)
    async with working(database, directory, notebook.service):
        await tell(database, tenant, note(uuid4(), last))
        await eventually(lambda: notebook.about([last]))

    assert notebook.about([text]) == [text]


async def test_one_bad_message_of_a_batch_is_parked_alone_and_succeeds_later(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    notebook = Notebook()
    good, bad = [str(uuid4()) for _ in range(9)], str(uuid4())
    notebook.fails[bad] = RuntimeError("not now")

    async with working(database, directory, notebook.service, policy=Policy(base_seconds=0.05, attempts=1000)):
        await tell(database, tenant, *(note(uuid4(), text) for text in [*good[:5], bad, *good[5:]]))
        await eventually(lambda: notebook.about(good) == good)
        assert notebook.about([bad]) == []
        notebook.fails.clear()
        await eventually(lambda: notebook.about([bad]) == [bad])

    assert await parked(database, tenant, notebook.name) == 0


async def test_later_messages_of_a_parked_subject_wait_behind_it_and_others_do_not(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    notebook, subject = Notebook(), uuid4()
    bad, second, third, other = (str(uuid4()) for _ in range(4))
    notebook.fails[bad] = RuntimeError("not now")

    async with working(database, directory, notebook.service, policy=Policy(base_seconds=0.05, attempts=1000)):
        await tell(database, tenant, note(subject, bad), note(subject, second), note(uuid4(), other))
        await eventually(lambda: notebook.about([other]))
        await tell(database, tenant, Struck(about=subject, text=third))
        await eventually(lambda: _is_parked(database, tenant, notebook.name, 3))
        assert notebook.about([second, third]) == []
        notebook.fails.clear()
        await eventually(lambda: len(notebook.about([bad, second, third])) == 3)

    assert notebook.about([bad, second, third]) == [bad, second, third]


async def _is_parked(database: Database, tenant: Tenant, group: str, count: int) -> bool:
    return await parked(database, tenant, group) == count


async def test_after_its_last_attempt_a_message_is_a_dead_letter_and_its_subject_waits_for_the_operator(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    notebook, subject = Notebook(), uuid4()
    bad, successor = str(uuid4()), str(uuid4())
    notebook.fails[bad] = RuntimeError("never")

    async with working(database, directory, notebook.service, policy=Policy(base_seconds=0.02, attempts=3)):
        await tell(database, tenant, note(subject, bad), note(subject, successor))
        (letter,) = await eventually(lambda: letters(database, tenant, notebook.name))
        assert await parked(database, tenant, notebook.name) == 2

        notebook.fails.clear()
        async with database.platform() as tx:
            assert await retries.redrive(tx.db, letter)
        await eventually(lambda: len(notebook.about([bad, successor])) == 2)

    assert notebook.about([bad, successor]) == [bad, successor]
    assert await letters(database, tenant, notebook.name) == []
    assert await parked(database, tenant, notebook.name) == 0


async def test_a_discarded_dead_letter_lets_its_successors_go_on_and_is_never_handled(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    notebook, subject = Notebook(), uuid4()
    bad, successor = str(uuid4()), str(uuid4())
    notebook.fails[bad] = RuntimeError("never")

    async with working(database, directory, notebook.service, policy=Policy(base_seconds=0.02, attempts=2)):
        await tell(database, tenant, note(subject, bad), note(subject, successor))
        (letter,) = await eventually(lambda: letters(database, tenant, notebook.name))
        notebook.fails.clear()
        async with database.platform() as tx:
            assert await retries.discard(tx.db, letter)
        await eventually(lambda: notebook.about([successor]))

    assert notebook.about([bad]) == []
    assert not await retries_of_unknown(database)


async def retries_of_unknown(database: Database) -> bool:
    async with database.platform() as tx:
        return await retries.redrive(tx.db, uuid4()) or await retries.discard(tx.db, uuid4())


async def test_a_subject_that_is_not_held_goes_on_without_its_dead_letter(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    notebook, subject = Notebook(hold=False), uuid4()
    bad, successor = str(uuid4()), str(uuid4())
    notebook.fails[bad] = RuntimeError("never")

    async with working(database, directory, notebook.service, policy=Policy(base_seconds=0.02, attempts=2)):
        await tell(database, tenant, note(subject, bad), note(subject, successor))
        await eventually(lambda: notebook.about([successor]))

    assert len(await letters(database, tenant, notebook.name)) == 1
    assert notebook.about([bad]) == []


@pytest.mark.parametrize(
    ("fault", "dead"),
    [(Conflict("no", "A plain no."), True), (Unavailable("later", "Not now."), False), (OSError("reset"), False)],
)
async def test_a_plain_no_is_a_dead_letter_at_once_and_a_fault_is_tried_again(
    database: Database, directory: Directory, tenant: Tenant, fault: Exception, dead: bool
) -> None:
    notebook, bad = Notebook(), str(uuid4())
    notebook.fails[bad] = fault

    async with working(database, directory, notebook.service, policy=Policy(base_seconds=60.0, attempts=9)):
        await tell(database, tenant, note(uuid4(), bad))
        await eventually(lambda: _is_parked(database, tenant, notebook.name, 1))

    assert len(await letters(database, tenant, notebook.name)) == dead


async def test_a_message_that_is_not_what_its_type_says_is_a_dead_letter_and_announced(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    notebook, good = Notebook(), str(uuid4())

    async with working(database, directory, notebook.service) as bus:
        (poison,) = await publish(database, tenant, Noted.topic, ["{ not json"])
        await tell(database, tenant, note(uuid4(), good))
        await eventually(lambda: notebook.about([good]))
        assert len(await letters(database, tenant, notebook.name)) == 1
        announced = await _announced(bus, poison)

    assert announced.headers["dlqtopic"] == Noted.topic
    assert "DecodeError" in announced.headers["dlqerror"]


async def _announced(bus: Bus, message_id: UUID) -> Envelope:
    topic = f"{Noted.topic}.dlq"
    reader = await bus.join(fresh_topic(), [topic])
    async with asyncio.timeout(10):
        while True:
            for portion in await reader.poll(100):
                for message in portion.messages:
                    if message.id == message_id:
                        await reader.close()
                        return message


async def test_what_a_handler_publishes_names_its_cause(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    heard: list[Envelope] = []
    subject, group = uuid4(), fresh_topic().replace("test.", "")

    async def answer(tx: Tx, messages: Sequence[Received[Noted]]) -> None:
        for message in messages:
            if message.body.about == subject:
                tx.publish(Struck(about=message.body.about, text="answered"))

    async def listen(tx: Tx, messages: Sequence[Received[Struck]]) -> None:
        heard.extend(message.envelope for message in messages if message.body.about == subject)

    answering = Service(f"answering-{group}", subscriptions=[on(Noted, answer)])
    listening = Service(f"listening-{group}", subscriptions=[on(Struck, listen)])
    async with working(database, directory, answering, listening):
        async with database.transaction(tenant) as tx:
            tx.correlation_id = "the-correlation"
            cause = uuid4()
            tx.publish(note(subject, "asked"), id=cause)
        await eventually(lambda: heard)

    assert heard[0].headers["correlationid"] == "the-correlation"
    assert heard[0].headers["causationid"] == str(cause)


async def test_an_effect_is_rolled_back_together_with_the_inbox(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    notebook, text = Notebook(), str(uuid4())
    notebook.fails[text] = RuntimeError("not now")
    async with working(database, directory, notebook.service, policy=Policy(base_seconds=60.0)):
        await tell(database, tenant, note(uuid4(), text))
        await eventually(lambda: _is_parked(database, tenant, notebook.name, 1))

    async with database.platform() as tx:
        handled = await tx.db.fetchval("SELECT count(*) FROM platform.inbox WHERE grp = $1 AND tenant_id = $2",
                                       notebook.name, tenant.id)  # fmt: skip

    assert handled == 0


def test_runs_are_few_and_keep_the_order_of_each_subject() -> None:
    async def handler(tx: Tx, messages: Sequence[Received[Noted]]) -> None: ...

    service = Service("runs", subscriptions=[on(Noted, handler), on(Struck, handler)])
    consumer = Consumer(service, None, None, None, Policy(), asyncio.Semaphore())  # type: ignore[arg-type]
    a, b, c = uuid4(), uuid4(), uuid4()
    told = [Noted(about=a, text="1"), Noted(about=b, text="2"), Struck(about=a, text="3"), Noted(about=c, text="4"),
            Noted(about=a, text="5"), Struck(about=b, text="6")]  # fmt: skip

    runs = consumer._runs([_envelope(message) for message in told])

    assert [[message.body.text for message in run] for _, run in runs] == [["1", "2", "4"], ["3", "6"], ["5"]]


def _envelope(message: Noted) -> Envelope:
    return Envelope(
        id=uuid4(), type=type(message).__name__, topic=message.topic, tenant_id=uuid4(), key="k",
        time=datetime.now(UTC), headers={"subject": str(message.subject)}, value=encode(message),
    )  # fmt: skip
