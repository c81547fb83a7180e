"""The simulated provider: a bank whose test tokens decide how a charge goes, with books and a clock of its own."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urljoin
from uuid import UUID, uuid4, uuid5

import msgspec

from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Malformed
from boxoffice.payments import bank
from boxoffice.payments.bank import Delivery, Entry, RefundEntry
from boxoffice.payments.domain import Outcome, RefundResult, Result
from boxoffice.payments.provider import Charge, Repayment

SIGNATURE_HEADER = "simulated-signature"
TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Delays:
    """How long the delayed test tokens take."""

    slow: timedelta = timedelta(seconds=30)
    captured_late: timedelta = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the bank treats a test token: its first answer, and what it does afterwards."""

    outcome: Outcome = Outcome.CAPTURED
    reason: str | None = None
    retryable: bool = False
    replies: bool = True  # False: the charge is booked, but the answer is lost
    silent: bool = False  # never tells, even when it is asked
    captures_after: str | None = None  # the delay (a field of Delays, or "now") after which it captures all the same
    deliveries: int = 1  # how often a webhook is delivered
    refused_refunds: int = 0  # how many times a refund is refused before it succeeds


# fmt: off
BEHAVIOURS = {
    "pm_card_visa":               Behaviour(),
    "pm_card_chargeDeclined":     Behaviour(Outcome.DECLINED, reason="card_declined"),
    "pm_card_insufficientFunds":  Behaviour(Outcome.DECLINED, reason="insufficient_funds", retryable=True),
    "pm_sim_slow":                Behaviour(Outcome.PENDING, captures_after="slow"),
    "pm_sim_lost_reply":          Behaviour(replies=False),
    "pm_sim_captured_late":       Behaviour(Outcome.DECLINED, reason="card_declined", captures_after="captured_late"),
    "pm_sim_duplicate_webhook":   Behaviour(Outcome.PENDING, captures_after="now", deliveries=2),
    "pm_sim_never":               Behaviour(Outcome.PENDING, replies=False, silent=True),
    "pm_sim_refund_fails_twice":  Behaviour(refused_refunds=2),
    "pm_sim_action":              Behaviour(Outcome.ACTION_REQUIRED),
}
# fmt: on
UNKNOWN_METHOD = Behaviour(Outcome.DECLINED, reason="unknown_method")


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a webhook's body that is read; the rest is hearsay until the books are asked."""

    id: str
    type: str
    key: str


class Simulator:
    """The provider port over the bank's books. Every call is the bank's own transaction, never one of ours."""

    name = "simulated"
    methods: Sequence[str] = tuple(BEHAVIOURS)

    def __init__(self, database: Database, secret: bytes, delays: Delays) -> None:
        self._database = database
        self._secret = secret
        self._delays = delays

    async def charge(self, charges: Sequence[Charge]) -> Mapping[str, Result]:
        async with self._database.platform() as tx:
            entries = [self._opened(charge, tx.now) for charge in charges]
            new = await bank.insert_charges(tx, entries)
            booked = await bank.charges(tx, [charge.key for charge in charges])
        lost = {entry.key for entry in entries if entry.key in new and not _behaviour(entry.method).replies}
        return {entry.key: _result(entry) for entry in booked if entry.key not in lost and _tells(entry)}

    async def cancel(self, charges: Sequence[Charge]) -> Mapping[str, Result]:
        keys = [charge.key for charge in charges]
        async with self._database.platform() as tx:
            await bank.cancel(tx, [(charge.key, charge.tenant_id) for charge in charges])
            booked = await bank.charges(tx, keys)
        return {entry.key: _result(entry) for entry in booked}

    async def lookup(self, charges: Sequence[Charge]) -> Mapping[str, Result]:
        keys = [charge.key for charge in charges]
        async with self._database.platform() as tx:
            booked = await bank.charges(tx, keys)
        unknown = set(keys) - {entry.key for entry in booked}
        answers = {entry.key: _result(entry) for entry in booked if _tells(entry)}
        return answers | {key: Result(Outcome.NOT_FOUND) for key in unknown}

    async def refund(self, repayments: Sequence[Repayment]) -> Mapping[str, RefundResult]:
        made = []
        async with self._database.platform() as tx:
            booked = await bank.locked_charges(tx, [repayment.charge_key for repayment in repayments])
            entries = {entry.key: entry for entry in booked}
            earlier = await bank.refunds(tx, [repayment.key for repayment in repayments])
            for wanted in repayments:
                before, entry = earlier.get(wanted.key), entries.get(wanted.charge_key)
                refund = _refunded(wanted, entry, before)
                if entry is not None and refund.done and not (before and before.done):
                    entries[entry.key] = replace(entry, refunded_minor=entry.refunded_minor + wanted.amount_minor)
                made.append(refund)
            await bank.save_refunds(tx, made, list(entries.values()))
        return {refund.key: RefundResult(refund.done, refund.reason) for refund in made}

    async def decide(self, tenant_id: UUID, reference: str, *, approved: bool) -> Entry | None:
        """What the buyer chose on the bank's page; only a charge that waits for it is changed by it."""
        outcome = Outcome.CAPTURED if approved else Outcome.DECLINED
        async with self._database.platform() as tx:
            entry = await bank.by_reference(tx, tenant_id, reference)
            if entry is not None and await bank.act(tx, entry.key, outcome, None if approved else "buyer_declined"):
                await bank.insert_deliveries(tx, [_delivery(replace(entry, status=outcome), 0)])
        return entry

    async def waiting(self, tenant_id: UUID, reference: str) -> Entry | None:
        """The charge whose page this is."""
        async with self._database.platform() as tx:
            return await bank.by_reference(tx, tenant_id, reference)

    async def capture_due(self) -> int:
        """Capture what is due by now, and have its webhooks delivered; returns how many charges that were."""
        async with self._database.platform() as tx:
            captured = await bank.capture_due(tx)
            copies = [(entry, copy) for entry in captured for copy in range(_behaviour(entry.method).deliveries)]
            await bank.insert_deliveries(tx, [_delivery(entry, copy) for entry, copy in copies])
        return len(captured)

    async def due_deliveries(self, *, lease: timedelta) -> list[Delivery]:
        """Webhooks to be delivered now; unless `delivered` is told, they come again after `lease`."""
        async with self._database.platform() as tx:
            return await bank.claim_deliveries(tx, tx.now + lease)

    async def delivered(self, done: Sequence[Delivery], failed: Sequence[tuple[Delivery, timedelta | None]]) -> None:
        """Note what was delivered, and when the rest is tried again (None: never)."""
        async with self._database.platform() as tx:
            later = [(delivery, None if pause is None else tx.now + pause) for delivery, pause in failed]
            await bank.postpone(tx, [*((delivery, None) for delivery in done), *later])

    def signature(self, body: bytes, now: datetime) -> str:
        """The value of the header that proves a webhook is ours and recent."""
        return f"t={int(now.timestamp())},v1={_digest(self._secret, int(now.timestamp()), body)}"

    def read_webhook(self, raw: bytes, headers: Mapping[str, str], now: datetime) -> Sequence[str]:
        _require_signature(self._secret, raw, headers.get(SIGNATURE_HEADER, ""), now)
        try:
            return [msgspec.json.decode(raw, type=Notice).key]
        except msgspec.DecodeError:
            raise Malformed("malformed_body", "The body is not a notice of this provider.") from None

    def _opened(self, charge: Charge, now: datetime) -> Entry:
        behaviour = _behaviour(charge.method)
        return Entry(
            key=charge.key, tenant_id=charge.tenant_id, method=charge.method, amount_minor=charge.amount_minor,
            currency=charge.currency, status=behaviour.outcome, reason=behaviour.reason,
            reference=f"sim_{uuid4().hex}", description=charge.description, return_url=charge.return_url,
            refunded_minor=0, capture_at=self._capture_at(behaviour, now),
        )  # fmt: skip

    def _capture_at(self, behaviour: Behaviour, now: datetime) -> datetime | None:
        match behaviour.captures_after:
            case None:
                return None
            case "now":
                return now
            case "slow":
                return now + self._delays.slow
            case _:
                return now + self._delays.captured_late


def _behaviour(method: str) -> Behaviour:
    return BEHAVIOURS.get(method, UNKNOWN_METHOD)


def _tells(entry: Entry) -> bool:
    return not (_behaviour(entry.method).silent and entry.status is Outcome.PENDING)


def _result(entry: Entry) -> Result:
    retryable = entry.status is Outcome.DECLINED and (
        entry.reason == "buyer_declined" or _behaviour(entry.method).retryable
    )
    url = urljoin(entry.return_url, f"/api/payments/simulated/{entry.reference}")
    return Result(
        entry.status, reference=entry.reference, reason=entry.reason, retryable=retryable,
        url=url if entry.status is Outcome.ACTION_REQUIRED else None, refunded_minor=entry.refunded_minor,
    )  # fmt: skip


def _refunded(wanted: Repayment, entry: Entry | None, before: RefundEntry | None) -> RefundEntry:
    if before is not None and before.done:
        return before
    asked = before.asked + 1 if before else 1
    if entry is None or entry.status is not Outcome.CAPTURED:
        reason = "charge_not_captured"
    elif entry.refunded_minor + wanted.amount_minor > entry.amount_minor:
        reason = "exceeds_charge"
    elif asked <= _behaviour(entry.method).refused_refunds:
        reason = "refused_for_now"
    else:
        return RefundEntry(wanted.key, wanted.charge_key, wanted.amount_minor, asked, True, None)
    return RefundEntry(wanted.key, wanted.charge_key, wanted.amount_minor, asked, False, reason)


def _delivery(entry: Entry, copy: int) -> Delivery:
    """A webhook; the copies of one carry the same id, as a provider's repeats do."""
    id = uuid5(entry.tenant_id, f"{entry.key}:{entry.status}")
    body = {
        "id": str(id), "type": f"payment.{entry.status.lower()}", "key": entry.key, "reference": entry.reference,
        "amount_minor": entry.amount_minor, "currency": entry.currency,
    }  # fmt: skip
    return Delivery(id=id, copy=copy, tenant_id=entry.tenant_id, body=msgspec.json.encode(body).decode(), attempts=0)


def _require_signature(secret: bytes, raw: bytes, header: str, now: datetime) -> None:
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    stamp, given = parts.get("t", ""), parts.get("v1", "")
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12 and given.isascii()):
        raise _bad_signature()
    if abs(now.timestamp() - int(stamp)) > TOLERANCE.total_seconds():
        raise _bad_signature()
    if not hmac.compare_digest(_digest(secret, int(stamp), raw), given):
        raise _bad_signature()


def _bad_signature() -> Malformed:
    return Malformed("bad_signature", "The signature is missing, wrong or too old.")


def _digest(secret: bytes, stamp: int, body: bytes) -> str:
    return hmac.new(secret, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
