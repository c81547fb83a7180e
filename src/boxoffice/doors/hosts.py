"""Hosts: which tenant's address, or the platform's, a Host header names."""

from boxoffice.kernel.tenancy import unknown_tenant

PLATFORM = "platform"
REMEMBERED = 10_000


class Hosts:
    """`<slug>.<domain>` is a tenant, `platform.<domain>` the operator; case, port and a final dot do not matter."""

    def __init__(self, domain: str) -> None:
        self.domain = domain.lower().strip(".")
        self._slugs: dict[str, str] = {}

    def slug(self, host: str) -> str:
        """The slug in a Host header, `platform` included. Raises NotFound `tenant_not_found`."""
        slug = self._slugs.get(host)
        if slug is None:
            slug = self._read(host)
            if len(self._slugs) >= REMEMBERED:
                self._slugs.clear()
            self._slugs[host] = slug
        return slug

    def address(self, slug: str | None) -> str:
        """The Host header of a tenant, or of the platform."""
        return f"{slug or PLATFORM}.{self.domain}"

    def _read(self, host: str) -> str:
        name, _, port = host.partition(":")
        name = name.lower().removesuffix(".")
        slug = name.removesuffix("." + self.domain)
        if slug == name or not slug or "." in slug or len(slug) > 63 or (port and not port.isdecimal()):
            raise unknown_tenant()
        return slug
