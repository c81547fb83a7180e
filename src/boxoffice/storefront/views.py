"""The services' answers turned into what templates show: badges, prices in words, structured data. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from boxoffice.pages import words
from boxoffice.storefront.answers import BookedSeat, Booking, Category, Event, Offer, Offers
from boxoffice.storefront.art import event_art

FEW_LEFT_SHARE = 0.1
SCHEMA_AVAILABILITY = {
    "open": "https://schema.org/InStock",
    "not_yet": "https://schema.org/PreOrder",
    "sold_out": "https://schema.org/SoldOut",
}


@dataclass(frozen=True)
class Badge:
    """A short state of the sale: `kind` names its look, `words` say it."""

    kind: str
    words: str


@dataclass(frozen=True)
class EventCard:
    """One event in the list."""

    path: str
    name: str
    venue: str
    when: str
    day: str
    month: str
    price: str
    badge: Badge | None
    art: Markup


@dataclass(frozen=True)
class PriceLine:
    """One price category on the event page; `index` picks its colour class."""

    index: int
    name: str
    price: str
    fee: str
    left: str


@dataclass(frozen=True)
class EventView:
    """The event page."""

    id: str
    name: str
    paragraphs: list[str]
    venue: str
    when: str
    doors: str
    zone: str
    prices: list[PriceLine]
    badge: Badge | None
    on_sale: bool
    call_to_action: str
    sale_note: str
    seats_path: str
    art: Markup
    structured_data: dict[str, Any]


@dataclass(frozen=True)
class OrderLine:
    """One booking in the buyer's list."""

    path: str
    name: str
    when: str
    reference: str
    seats: str
    total: str
    badge: Badge


def lowest_price(categories: Sequence[Category | Offer], currency: str) -> str:
    """`from €35.00`, `€20.00` or `Free`."""
    prices = [category.price_minor for category in categories]
    if not prices:
        return ""
    lowest = words.price(min(prices), currency)
    return f"from {lowest}" if len(set(prices)) > 1 else lowest


def sale_badge(event: Event, left_share: float | None = None) -> Badge | None:
    """What a buyer should know about the sale before reading on; nothing when it is simply open."""
    if event.sale == "cancelled" or event.status == "CANCELLED":
        return Badge("cancelled", "Cancelled")
    if event.sale == "sold_out":
        return Badge("sold-out", "Sold out")
    if event.sale == "not_yet":
        opens = event.sales.opens_at
        return Badge(
            "soon", f"On sale {words.short_date_and_time(opens, event.time_zone)}" if opens else "On sale soon"
        )
    if event.sale == "closed" or event.status == "ENDED":
        return Badge("closed", "Sale ended")
    if left_share is not None and left_share <= FEW_LEFT_SHARE:
        return Badge("few", "Few left")
    return None


def event_card(event: Event) -> EventCard:
    local = words.venue_time(event.starts_at, event.time_zone)
    return EventCard(
        path=f"/events/{event.id}",
        name=event.name,
        venue=event.venue,
        when=words.date_and_time(event.starts_at, event.time_zone),
        day=str(local.day),
        month=f"{local:%b}",
        price=lowest_price(event.categories, event.currency),
        badge=sale_badge(event),
        art=event_art(str(event.id)),
    )


def event_view(event: Event, offers: Offers, origin: str) -> EventView:
    left = sum(offer.available for offer in offers.categories)
    badge = sale_badge(event, left / event.seats if event.seats else None)
    on_sale = offers.sale == "open"
    return EventView(
        id=str(event.id),
        name=event.name,
        paragraphs=[paragraph for paragraph in event.description.split("\n\n") if paragraph.strip()],
        venue=event.venue,
        when=words.date_and_time(event.starts_at, event.time_zone),
        doors=f"{words.venue_time(event.doors_at, event.time_zone):%H:%M}" if event.doors_at else "",
        zone=words.zone_words(event.time_zone),
        prices=[price_line(index, offer, offers) for index, offer in enumerate(offers.categories)],
        badge=badge,
        on_sale=on_sale,
        call_to_action=f"Get tickets {lowest_price(offers.categories, offers.currency)}".strip(),
        sale_note="" if on_sale else sale_note(event),
        seats_path=f"/events/{event.id}/seats",
        art=event_art(str(event.id)),
        structured_data=structured_data(event, offers, origin),
    )


def price_line(index: int, offer: Offer, offers: Offers) -> PriceLine:
    return PriceLine(
        index=index,
        name=offer.name,
        price=words.price(offer.price_minor, offers.currency),
        fee=f"incl. {words.amount(offer.fee_minor, offers.currency)} fee" if offer.fee_minor else "",
        left="sold out" if offer.available == 0 else f"{offer.available:,} left",
    )


def sale_note(event: Event) -> str:
    """Why there is no button, in a sentence."""
    if event.sale == "cancelled" or event.status == "CANCELLED":
        return "This event has been cancelled. If you have tickets, you will get your money back."
    if event.sale == "sold_out":
        return "All tickets are gone. Seats that come back appear here."
    if event.sale == "not_yet":
        opens = event.sales.opens_at
        when = words.date_and_time(opens, event.time_zone) if opens else "soon"
        return f"Tickets go on sale {when}{f' ({words.zone_words(event.time_zone)})' if opens else ''}."
    return "Ticket sales for this event have ended."


def structured_data(event: Event, offers: Offers, origin: str) -> dict[str, Any]:
    """schema.org/Event, made from the very prices that the page shows."""
    cancelled = event.sale == "cancelled"
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Event",
        "name": event.name,
        "description": event.description,
        "startDate": words.venue_time(event.starts_at, event.time_zone).isoformat(),
        "eventStatus": f"https://schema.org/Event{'Cancelled' if cancelled else 'Scheduled'}",
        "eventAttendanceMode": "https://schema.org/OfflineEventAttendanceMode",
        "location": {"@type": "Place", "name": event.venue, "address": event.venue},
        "offers": [
            {
                "@type": "Offer",
                "name": offer.name,
                "price": offer_price(offer.price_minor, offers.currency),
                "priceCurrency": offers.currency,
                "availability": SCHEMA_AVAILABILITY.get(offers.sale, "https://schema.org/SoldOut"),
                "url": f"{origin}/events/{event.id}",
                **({"validFrom": offers.opens_at.isoformat()} if offers.opens_at else {}),
            }
            for offer in offers.categories
        ],
    }
    if event.doors_at:
        data["doorTime"] = words.venue_time(event.doors_at, event.time_zone).isoformat()
    return data


def offer_price(minor: int, currency: str) -> str:
    """A plain decimal number, as structured data wants it."""
    digits = words.MINOR_DIGITS.get(currency, 2)
    return f"{minor / 10**digits:.{digits}f}"


ORDER_BADGES = {
    "PENDING_PAYMENT": Badge("soon", "Payment under way"),
    "CANCELLING": Badge("soon", "Being cancelled"),
    "CONFIRMED": Badge("good", "Confirmed"),
    "REFUNDING": Badge("soon", "Refund under way"),
    "REFUND_STUCK": Badge("soon", "Refund under way"),
    "EXPIRED": Badge("closed", "Time ran out"),
    "FAILED": Badge("closed", "Payment failed"),
    "CANCELLED": Badge("cancelled", "Cancelled"),
}


def given_back(seat: BookedSeat) -> bool:
    return seat.state in {"REFUNDING", "REFUNDED"}


def order_line(booking: Booking, time_zone: str) -> OrderLine:
    """A booking that lost some of its seats shows those that are left; one that lost all shows what it was."""
    kept = [seat for seat in booking.seats if not given_back(seat)] or booking.seats
    return OrderLine(
        path=f"/orders/{booking.id}",
        name=booking.event.name,
        when=words.date_and_time(booking.event.starts_at, time_zone),
        reference=booking.reference,
        seats=words.count(len(kept), "ticket", "tickets"),
        total=words.price(booking.total_minor, booking.currency),
        badge=ORDER_BADGES.get(booking.status, Badge("closed", booking.status)),
    )
