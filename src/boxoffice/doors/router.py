"""Routing: from a path and a method to what answers there, over a tree of segments and without regular expressions."""

from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

T = TypeVar("T")
LONGEST_NAME = 200


class Slot(NamedTuple):
    """A segment with a parameter in it: `{event_id}`, `{hash}.json`."""

    before: str
    after: str
    is_id: bool


class Node(Generic[T]):
    """One place in the tree: what follows it, and what answers there by method, with its parameters' names."""

    __slots__ = ("literals", "methods", "slots")

    def __init__(self) -> None:
        self.literals: dict[str, Node[T]] = {}
        self.slots: dict[Slot, Node[T]] = {}
        self.methods: dict[str, tuple[T, tuple[str, ...]]] = {}


class Match(NamedTuple, Generic[T]):
    """A path that exists: what answers there by method, and the values of its parameters in order."""

    methods: dict[str, tuple[T, tuple[str, ...]]]
    values: tuple[Any, ...]

    @property
    def allow(self) -> str:
        """The Allow header of a 405 (RFC 9110, section 10.2.1)."""
        names = set(self.methods)
        return ", ".join(sorted(names | {"HEAD"} if "GET" in names else names))


class Router(Generic[T]):
    """Paths with `{name}` parameters; parameters called `id` or `…_id` match UUIDs only."""

    def __init__(self) -> None:
        self._root: Node[T] = Node()
        self._exact: dict[str, Match[T]] = {}

    def add(self, method: str, path: str, target: T) -> None:
        """Raises ValueError when the method and path are taken."""
        node, names = self._root, []
        for segment in path.split("/")[1:]:
            if "{" in segment:
                before, _, rest = segment.partition("{")
                name, _, after = rest.partition("}")
                names.append(name)
                is_id = name == "id" or name.endswith("_id")
                node = node.slots.setdefault(Slot(before, after, is_id), Node())
            else:
                node = node.literals.setdefault(segment, Node())
        if method in node.methods:
            raise ValueError(f"two doors for {method} {path}")
        node.methods[method] = (target, tuple(names))
        if not names:
            self._exact[path] = Match(node.methods, ())

    def match(self, path: str) -> Match[T] | None:
        """What answers at `path`, literal segments before parameters, or None."""
        exact = self._exact.get(path)
        return exact if exact is not None else _descend(self._root, path.split("/"), 1, ())


def _descend(node: Node[T], segments: list[str], depth: int, values: tuple[Any, ...]) -> Match[T] | None:
    if depth == len(segments):
        return Match(node.methods, values) if node.methods else None
    segment = segments[depth]
    literal = node.literals.get(segment)
    if literal is not None:
        found = _descend(literal, segments, depth + 1, values)
        if found is not None:
            return found
    for slot, following in node.slots.items():
        value = _value(slot, segment)
        if value is not None:
            found = _descend(following, segments, depth + 1, (*values, value))
            if found is not None:
                return found
    return None


def _value(slot: Slot, segment: str) -> Any:
    """The parameter's value, or None when the segment cannot be one."""
    before, after, is_id = slot
    if before or after:
        if not (segment.startswith(before) and segment.endswith(after)):
            return None
        segment = segment[len(before) : len(segment) - len(after)]
    if is_id:
        return parse_id(segment)
    return segment if 0 < len(segment) <= LONGEST_NAME and segment.isprintable() else None


def parse_id(text: str) -> UUID | None:
    """A UUID in its one canonical form (RFC 9562, section 4), upper case allowed; UUID() alone takes many more."""
    if len(text) != 36:
        return None
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text.lower() else None
