"""Which failpoints there are, read from the source: each transaction, each send, each work of a service."""

import ast
from collections import Counter
from collections.abc import Iterator

from boxoffice import app
from tests.architecture.source import PACKAGE, Module, modules

HANDED_OUT = {"tx", "db"}  # what `async with` calls the transaction or connection that it gets from Database
UNWATCHED = {"kernel/database.py", "failpoint.py"}  # the mechanism itself
ANOTHER_PROGRAM = "simulator"  # the stand-in for Stripe, with books of its own
PROVIDER = ("charge", "cancel", "lookup", "refund")


def found() -> set[str]:
    """Every point but for its before and after: `commit payments.charging.Charging.charge`, its second commit `…:2`."""
    return {
        *(point for module in modules() if _is_watched(module) for point in _of_module(module)),
        *(f"send simulated.{verb}" for verb in PROVIDER),
        *(f"commit {work}" for work in _works()),
    }


def _is_watched(module: Module) -> bool:
    if module.is_migration or module.owner == ANOTHER_PROGRAM:
        return False
    return str(module.path.relative_to(PACKAGE)) not in UNWATCHED


def _works() -> Iterator[str]:
    """What services do in transactions that the kernel opens for them."""
    for service in app.described_services():
        yield from (f"{service.name}.{subscription.message.__name__}" for subscription in service.subscriptions)
        yield from service.timers


def _of_module(module: Module) -> Iterator[str]:
    name = ".".join(module.path.relative_to(PACKAGE).with_suffix("").parts)
    times = Counter(_passages(module.tree, ""))
    for (function, kind), count in times.items():
        yield f"{kind} {name}.{function}"
        yield from (f"{kind} {name}.{function}:{nth}" for nth in range(2, count + 1))


def _passages(node: ast.AST, inside: str, function: str = "") -> Iterator[tuple[str, str]]:
    """(function, commit or send) for each place below `node`, which stands in `function`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _passages(child, f"{inside}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{inside}{child.name}"
            yield from _passages(child, f"{name}.<locals>.", name)
        else:
            yield from ((function, kind) for kind in _kinds(child))
            yield from _passages(child, inside, function)


def _kinds(node: ast.AST) -> Iterator[str]:
    """Whether a node itself commits or sends."""
    if isinstance(node, ast.AsyncWith) and any(_handed_out(item) for item in node.items):
        yield "commit"
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="failpoint"), attr="around_commit")):
            yield "commit"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="failpoint"), attr="around_send")):
            yield "send"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="idempotency"), attr="once") | ast.Name(id="answer_once")):
            yield "commit"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr="_once" | "_keyed" | "_act")):
            yield "commit"  # in the name of whoever calls these


def _handed_out(item: ast.withitem) -> bool:
    return isinstance(item.optional_vars, ast.Name) and item.optional_vars.id in HANDED_OUT
