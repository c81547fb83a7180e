"""The doors of the OpenAPI document, and how to knock at each of them."""

import json
import re
from pathlib import Path
from uuid import uuid4

from tests.contract.world import World, key
from tests.support.platform import Reply

DOCUMENT = json.loads(Path("docs/openapi.json").read_text())
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def doors(host: str) -> list[str]:
    return sorted(name for name, operation in OPERATIONS.items() if host in operation["x-hosts"])


def filled(name: str, ids: dict[str, str] | None = None) -> tuple[str, str]:
    """The method and a path in which every parameter is an id that nobody has, or the one given."""
    method, _, path = name.partition(" ")
    return method, re.sub(r"{(\w+)}", lambda found: (ids or {}).get(found[1], str(uuid4())), path)


async def knock(
    world: World, name: str, headers: dict[str, str], slug: str, ids: dict[str, str] | None = None
) -> Reply:
    method, path = filled(name, ids)
    return await world.platform.ask(method, path, slug=slug, headers={**headers, **key()})
