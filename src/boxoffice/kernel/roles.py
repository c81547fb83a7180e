"""Names of a database's roles and schemas: roles belong to the whole cluster, so each carries its database's name."""

from dataclasses import dataclass

NAME_BYTES_MAX = 63  # PostgreSQL cuts longer identifiers without a word, and two of them could become one
SLUG_BYTES_MAX = 32
SCHEMA_PREFIX = "tenant_"


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles of one database. `tenants` is the group of all tenants' roles; `probe` acts as a tenant for doctor."""

    database: str

    def __post_init__(self) -> None:
        longest = f"{self.database}__tenant_"
        if len(longest.encode()) + SLUG_BYTES_MAX > NAME_BYTES_MAX:
            raise ValueError(f"the database name {self.database!r} is too long: its tenants' roles would not fit")

    @property
    def web(self) -> str:
        return f"{self.database}__web"

    def service(self, name: str) -> str:
        """The login of a service in a process of its own; it may what the web's login may."""
        return f"{self.database}__svc_{name}"

    @property
    def worker(self) -> str:
        return f"{self.database}__worker"

    @property
    def migrator(self) -> str:
        return f"{self.database}__migrator"

    @property
    def tenants(self) -> str:
        return f"{self.database}__tenants"

    @property
    def platform(self) -> str:
        return f"{self.database}__platform"

    @property
    def probe(self) -> str:
        return f"{self.database}__probe"

    def tenant(self, slug: str) -> str:
        return f"{self.database}__tenant_{slug}"


def schema_of(slug: str) -> str:
    """The schema of a tenant. Slugs hold no underscore, so no two of them share one."""
    return SCHEMA_PREFIX + slug.replace("-", "_")
