"""Who the demo knows: two organizers with their people, one operator, and buyers for the seats already sold."""

from random import Random
from typing import NamedTuple

DEMO_PASSWORD = "boxoffice-demo"  # noqa: S105 - published in the README; demo data only


class DemoPerson(NamedTuple):
    """Somebody who can log in with DEMO_PASSWORD."""

    email: str
    first_name: str
    last_name: str
    role: str


class DemoTenant(NamedTuple):
    """An organizer's organisation with its first admin and two more people."""

    slug: str
    name: str
    admin: DemoPerson
    people: tuple[DemoPerson, ...]


OPERATOR = DemoPerson("operator@platform.example", "Olga", "Petersen", "OPERATOR")

TENANTS: tuple[DemoTenant, ...] = (
    DemoTenant(
        "acme",
        "Acme House of Stages",
        DemoPerson("admin@acme.example", "Ada", "Lindqvist", "ADMIN"),
        (
            DemoPerson("organizer@acme.example", "Tomás", "Weiß", "ORGANIZER"),
            DemoPerson("buyer@acme.example", "Binta", "Okafor", "CUSTOMER"),
        ),
    ),
    DemoTenant(
        "globex",
        "Globex Live",
        DemoPerson("admin@globex.example", "Grace", "Whitcombe", "ADMIN"),
        (
            DemoPerson("organizer@globex.example", "Idris", "Vaughan", "ORGANIZER"),
            DemoPerson("buyer@globex.example", "Priya", "Raman", "CUSTOMER"),
        ),
    ),
)

FIRST_NAMES = (
    "Amara", "Ben", "Chloé", "Dimitri", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kaja", "Leon", "Mina",
    "Noor", "Oskar", "Paula", "Quentin", "Rosa", "Samir", "Tilda", "Uma", "Viktor", "Wanda", "Yusuf", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Adler", "Baptiste", "Castellano", "Demir", "Eriksen", "Fontaine", "Grünwald", "Haddad", "Ivanova", "Jansen",
    "Kowalski", "Lefèvre", "Moreau", "Nakamura", "Olsen", "Pereira", "Quist", "Rossi", "Schulte", "Turner",
    "Ueda", "Vogel", "Winter", "Yilmaz", "Zimmermann",
)  # fmt: skip


def buyer(chance: Random, number: int) -> tuple[str, str]:
    """Name and e-mail of somebody who has already bought; the address cannot exist."""
    return f"{chance.choice(FIRST_NAMES)} {chance.choice(LAST_NAMES)}", f"guest-{number:05d}@buyers.example"
