"""The demo programme: what acme and globex put on, always dated from today on."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from boxoffice.demo.venues import BLUE, GREEN, PURPLE, VERMILLION


class DemoCategory(NamedTuple):
    """A price category; its key is the plan's."""

    key: str
    name: str
    color: str
    price_minor: int


class DemoEvent(NamedTuple):
    """An event as its organizer would enter it, and the state the demo shall show it in."""

    key: str
    """Stable and unique per tenant: tells a later seeding what is already there."""
    name: str
    description: str
    venue: str
    plan: str
    """A key of `venues.PLANS`."""
    time_zone: str
    starts_at: datetime
    doors_at: datetime
    currency: str
    categories: tuple[DemoCategory, ...]
    opens_at: datetime
    closes_at: datetime
    max_seats_per_booking: int
    sold_share: float
    """How much of the house has already been sold."""
    cancelled: bool


class Venue(NamedTuple):
    """What all events of one house share. `prices` are `(key, name, color)` in the order of a show's prices."""

    name: str
    plan: str
    time_zone: str
    currency: str
    categories: tuple[tuple[str, str, str], ...]
    max_seats_per_booking: int


class Show(NamedTuple):
    """One line of the programme, before it has a date."""

    key: str
    name: str
    venue: str
    in_days: int
    at: time
    prices_minor: tuple[int, ...]
    sold_share: float
    description: str
    opens_in_days: int = -30
    cancelled: bool = False


THEATRE_CATEGORIES = (("premium", "Premium", BLUE), ("standard", "Standard", GREEN), ("gallery", "Gallery", PURPLE))
CLUB_CATEGORIES = (("floor", "Standing", BLUE), ("bar", "Bar and tables", VERMILLION))
ARENA_CATEGORIES = (
    ("front", "Front floor", VERMILLION),
    ("floor", "Floor", PURPLE),
    ("lower", "Lower tier", BLUE),
    ("upper", "Upper tier", GREEN),
)

VENUES: Mapping[str, Venue] = {
    "house": Venue("Acme Great House, Berlin", "theatre", "Europe/Berlin", "EUR", THEATRE_CATEGORIES, 10),
    "club": Venue("The Cellar at Acme, Berlin", "club", "Europe/Berlin", "EUR", CLUB_CATEGORIES, 6),
    "arena": Venue("Globex Arena, London", "arena", "Europe/London", "GBP", ARENA_CATEGORIES, 8),
}

PROGRAMME: Mapping[str, tuple[Show, ...]] = {
    "acme": (
        Show(
            "tempest", "The Tempest", "house", 16, time(19, 30), (6900, 4600, 2400), 0.4,
            "Shakespeare's last island, told by a company of eleven and one very patient wave machine. Marit Solberg "
            "directs; the storm is played live by the percussionists of the Acme Ensemble. In English with German "
            "surtitles. 2 hours 40 minutes including one interval.",
        ),
        Show(
            "quartet", "Fontane Quartet: Last Letters", "house", 9, time(20, 0), (5800, 4200, 2200), 0.97,
            "Janáček, Shostakovich and a new work by Lena Abramov, written for the quartet's thirtieth season, which "
            "is also their last. They will play their first encore ever. Please switch off everything that glows.",
        ),
        Show(
            "vanya", "Uncle Vanya", "house", 75, time(19, 0), (7900, 5400, 2900), 0.0,
            "A summer, an estate, a professor nobody asked for. Jakob Renner's new production opens our autumn season "
            "with Ines Duarte as Sonya. Set an alarm for the first day of sale: last year's went in an hour.",
            opens_in_days=14,
        ),
        Show(
            "harmonica", "The Glass Harmonica", "house", 22, time(19, 30), (5900, 4100, 2100), 0.2,
            "An evening for an instrument once said to drive its players mad. We are sorry: the soloist is unwell and "
            "the performance cannot take place. All tickets are refunded in full; nobody needs to do anything.",
            cancelled=True,
        ),
        Show(
            "rehearsal", "Open Rehearsal: The Tempest", "house", 12, time(11, 0), (0, 0, 0), 0.25,
            "Come in, sit where you like and watch us get it wrong first. The director takes questions at noon, coffee "
            "is in the foyer. Admission is free, but the fire brigade counts seats, so please book one.",
        ),
        Show(
            "nachtlinie", "Nachtlinie: Mira Kesh (live)", "club", 6, time(23, 0), (1900, 3400), 0.55,
            "Three hours of modular synthesis from the woman who made a tram depot sing. Support: Ostkreuz Sound "
            "System and DJ Halogen. Doors close when the house is full. From 18; bring a passport or identity card.",
        ),
        Show(
            "disco", "Slow Motion Disco", "club", 20, time(21, 0), (1400, 2600), 0.15,
            "Nothing faster than 110 beats a minute. Records only, two turntables, one enormous mirror ball lent to "
            "us by a circus. The tables beside the bar are yours for the whole night and come with a bottle of water.",
        ),
    ),
    "globex": (
        Show(
            "aurora", "Aurora Fields: Northern Lights Tour", "arena", 40, time(19, 30), (14500, 9800, 8200, 4900), 0.3,
            "Two hundred and forty lasers, a choir of ninety and the album that would not leave the charts. Aurora "
            "Fields bring the whole show to London for a single night. Special guests: the Lantern Choir.",
        ),
        Show(
            "final", "City Giants v Harbour Hawks: The Cup Final", "arena", 11, time(17, 0), (9900, 6500, 5200, 2800),
            0.985,
            "Best against second best, and both say they are the best. Tip-off at five, the trophy at about seven. "
            "Blocks behind the basket are for standing and shouting; families are happiest in the lower tier.",
        ),
        Show(
            "stars", "Symphony of the Stars: Film in Concert", "arena", 96, time(18, 30), (8900, 6900, 5900, 3500), 0.0,
            "The great space adventures on a forty-metre screen, their music played live by the London Film "
            "Philharmonic under Asha Mehta. Suitable from eight years. In blocks 118 to 120 you may come and go.",
            opens_in_days=21,
        ),
    ),
}  # fmt: skip

DOORS_BEFORE = timedelta(hours=1)
OPENING_HOUR = time(10, 0)


def catalogue(tenant_slug: str, today: date) -> list[DemoEvent]:
    """All demo events of a tenant, in the order of its programme."""
    return [_on_stage(show, VENUES[show.venue], today) for show in PROGRAMME[tenant_slug]]


def _on_stage(show: Show, venue: Venue, today: date) -> DemoEvent:
    zone = ZoneInfo(venue.time_zone)
    starts_at = _instant(today + timedelta(days=show.in_days), show.at, zone)
    return DemoEvent(
        key=show.key,
        name=show.name,
        description=show.description,
        venue=venue.name,
        plan=venue.plan,
        time_zone=venue.time_zone,
        starts_at=starts_at,
        doors_at=starts_at - DOORS_BEFORE,
        currency=venue.currency,
        categories=tuple(
            DemoCategory(key, name, color, price)
            for (key, name, color), price in zip(venue.categories, show.prices_minor, strict=True)
        ),
        opens_at=_instant(today + timedelta(days=show.opens_in_days), OPENING_HOUR, zone),
        closes_at=starts_at,
        max_seats_per_booking=venue.max_seats_per_booking,
        sold_share=show.sold_share,
        cancelled=show.cancelled,
    )


def _instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)
