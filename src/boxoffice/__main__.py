"""The command line: starts the platform or one role of it, and does an operator's rare work by hand."""

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from boxoffice.startup import StartupProblem

if TYPE_CHECKING:
    from boxoffice.settings import Settings

Answer = TypeVar("Answer")

# What a command needs is imported inside it, so that --help and a mistyped option answer at once.

cli = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
tenant = typer.Typer(help="Tenants: the organizers who sell here.", no_args_is_help=True)
operator = typer.Typer(help="Operators: the people who run the platform.", no_args_is_help=True)
bus = typer.Typer(help="The bus: topics, and what the groups of services read of them.", no_args_is_help=True)
cli.add_typer(tenant, name="tenant")
cli.add_typer(operator, name="operator")
cli.add_typer(bus, name="bus")

Password = Annotated[
    str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, help="Asked if missing.")
]


@cli.command()
def up(
    services: Annotated[bool, typer.Option("--services", help="Every service in processes of its own.")] = False,
) -> None:
    """Start everything: servers, migrations, demo, web and worker. Ctrl-C stops all of it."""
    from boxoffice.settings import misspelt, read_settings

    settings = read_settings()
    for sentence in misspelt():
        typer.echo(f"boxoffice: {sentence}", err=True)
    from boxoffice.embedded.up import up as start

    asyncio.run(start(settings, in_services=services))


@cli.command()
def run(
    roles: Annotated[
        list[str],
        typer.Argument(help="web and worker (all services in each); or gateway, a service, a service's -worker."),
    ],
    port: Annotated[int | None, typer.Option(help="Where it listens, if not where BOXOFFICE_DISCOVERY says.")] = None,
    admin_port: Annotated[int | None, typer.Option(help="Where a gateway tells of its health and metrics.")] = None,
    fd: Annotated[int | None, typer.Option(help="Inherited listening socket.", hidden=True)] = None,
    lifeline: Annotated[int | None, typer.Option(help="Pipe that closes with our supervisor.", hidden=True)] = None,
    ready: Annotated[int | None, typer.Option(help="Pipe to say that we are ready.", hidden=True)] = None,
) -> None:
    """Start one process of the platform; BOXOFFICE_DATABASE_URL and BOXOFFICE_VALKEY_URL say where the servers are."""
    from boxoffice.run import Given
    from boxoffice.run import run as start
    from boxoffice.settings import read_settings

    start(read_settings(), roles, Given(port, admin_port, fd, lifeline, ready))


@cli.command()
def roll(
    parts: Annotated[list[str] | None, typer.Argument(help="Which ones, if not all: bookings, 'gateway 2', …")] = None,
) -> None:
    """Replace the processes of a running `boxoffice up` by new ones, one after the other, while it goes on serving."""
    from boxoffice.embedded.control import roll as ask
    from boxoffice.settings import read_settings

    asyncio.run(ask(read_settings().data, parts or [], typer.echo))


@cli.command()
def nginx(
    gateway: Annotated[str, typer.Option(help="Where the gateway listens, HOST:PORT.")] = "",
    lifeline: Annotated[int | None, typer.Option(help="Pipe that closes with our supervisor.", hidden=True)] = None,
) -> None:
    """Start nginx before the gateway, with TLS, on BOXOFFICE_TLS_PORT. Ctrl-C stops it."""
    from boxoffice.embedded.nginx import configure, serve
    from boxoffice.settings import read_settings

    settings = read_settings()
    where = gateway or f"127.0.0.1:{settings.port}"
    configured = partial(configure, settings, f"{settings.bind}:{settings.tls_port}", where)
    asyncio.run(serve(configured, partial(typer.echo, err=True), lifeline))


@cli.command()
def certificates() -> None:
    """Make this machine's own certificate authority and a certificate by it for all hosts; say where they are."""
    from boxoffice.embedded.nginx import own_certificates
    from boxoffice.settings import read_settings

    for path in own_certificates(read_settings()):
        typer.echo(path)


@cli.command()
def migrate() -> None:
    """Bring the platform's and every tenant's schema to the newest version."""
    from boxoffice.app import chores

    carrier = _with_servers(chores.migrate)
    typer.echo(f"The database is up to date. Messages travel by {carrier}.")


@cli.command()
def seed() -> None:
    """Fill in the demo: two organizers, their people, venues and programmes. Does nothing where it is already there."""
    from boxoffice.app import chores

    _with_servers(chores.seed)
    typer.echo("The demo is in place.")


@cli.command()
def doctor() -> None:
    """Try to break through the walls between tenants, and say what could be broken."""
    from boxoffice.app import chores

    problems = _with_servers(chores.doctor)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo("No problems found.")


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document of all services."""
    from boxoffice import app

    typer.echo(json.dumps(app.openapi(), indent=2, sort_keys=True))


@cli.command()
def simulator(
    port: Annotated[int, typer.Option(help="Where it listens.")] = 12111,
    bind: Annotated[str, typer.Option(help="On which address.")] = "127.0.0.1",
    file: Annotated[Path, typer.Option(help="Its books.")] = Path("simulator.sqlite"),
    public_url: Annotated[str, typer.Option(help="Where browsers find it; default: where it listens.")] = "",
    chaos: Annotated[str, typer.Option(help="What goes wrong, as JSON: '{\"lose_replies\": 3}'.")] = "{}",
    trust: Annotated[
        Path | None, typer.Option(help="A file of authorities to trust beside the usual: authority.pem, say.")
    ] = None,
) -> None:
    """Start a payment provider that speaks Stripe's API and moves no money, to test against. Ctrl-C stops it."""
    import msgspec

    from boxoffice.simulator.chaos import Chaos
    from boxoffice.simulator.serving import run as start

    try:
        wanted = msgspec.json.decode(chaos, type=Chaos)
    except msgspec.DecodeError as error:
        raise StartupProblem(f"--chaos: {error}") from error
    start(bind=bind, port=port, file=file, public_url=public_url, chaos=wanted, trust=trust)


@cli.command()
def kafka(
    port: Annotated[
        int | None, typer.Option(help="Where the first broker listens, if not on BOXOFFICE_KAFKA_PORT.")
    ] = None,
    brokers: Annotated[int, typer.Option(min=1, max=9, help="How many.")] = 1,
    secure: Annotated[bool, typer.Option(help="SASL/SCRAM over TLS, and access only by ACL.")] = False,
    fresh: Annotated[bool, typer.Option(help="Forget all topics and messages first.")] = False,
) -> None:
    """Start Apache Kafka on this machine, for development. Needs Java 17 and Maven. Ctrl-C stops it."""
    from boxoffice.embedded.kafka import serve
    from boxoffice.settings import read_settings

    settings = read_settings()
    first = port or settings.kafka_port
    ports = range(first, first + brokers)
    asyncio.run(serve(settings, ports=ports, secure=secure, fresh=fresh, say=typer.echo))


@cli.command("messages")
def show_messages() -> None:
    """Print docs/messages.md: what the services tell each other."""
    from boxoffice import app, published

    typer.echo(published.messages_page(app.described_services()), nl=False)


@cli.command("saga")
def show_saga() -> None:
    """Print docs/saga.md: what becomes of a booking, whatever happens."""
    from boxoffice import published

    typer.echo(published.saga_page(), nl=False)


@cli.command("settings")
def show_settings() -> None:
    """List every setting, its default and its meaning."""
    from boxoffice.settings import PREFIX, Settings

    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        typer.echo(f"{PREFIX}{name.upper()}={default}\n    {field.description}")


@tenant.command("create")
def create_tenant(
    slug: Annotated[str, typer.Argument(help="The subdomain.")],
    name: Annotated[str, typer.Argument(help="The organizer's name.")],
    admin_email: Annotated[str, typer.Option(prompt=True)],
    password: Password,
    plan: Annotated[Literal["free", "standard", "premium"], typer.Option()] = "standard",
    first_name: Annotated[str, typer.Option()] = "",
    last_name: Annotated[str, typer.Option()] = "",
) -> None:
    """Make a tenant and its first administrator."""
    from boxoffice.app import chores

    async def create(settings: "Settings") -> None:
        await chores.create_tenant(
            settings,
            slug=slug,
            name=name,
            plan=plan,
            admin_email=admin_email,
            admin_password=password,
            admin_first_name=first_name,
            admin_last_name=last_name,
        )

    _with_servers(create)
    typer.echo(f"{slug} is ready.")


@operator.command("create")
def create_operator(email: Annotated[str, typer.Argument()], password: Password) -> None:
    """Make an operator."""
    from boxoffice.app import chores

    async def create(settings: "Settings") -> None:
        await chores.create_operator(settings, email=email, password=password)

    _with_servers(create)
    typer.echo(f"{email} may sign in on the platform host.")


@bus.command("topics")
def make_topics() -> None:
    """Make the topics that are missing, in the shape that the settings say, and list all."""
    from boxoffice.app import bus_chores

    for line in _with_servers(bus_chores.make_topics):
        typer.echo(line)


@bus.command("users")
def make_users() -> None:
    """Make each service's login at Kafka, let it write its own topics and read what it hears, and list that."""
    from boxoffice.app import bus_chores
    from boxoffice.settings import read_settings

    for line in asyncio.run(bus_chores.make_users(read_settings())):
        typer.echo(line)


@bus.command("lag")
def show_lag(group: Annotated[str | None, typer.Argument(help="A service; default: all.")] = None) -> None:
    """Tell how many messages of each topic a group has still to read."""
    from boxoffice.app import bus_chores

    for name, found in _with_servers(lambda settings: bus_chores.lag(settings, group)).items():
        for line in bus_chores.by_topic(found):
            typer.echo(f"{name} {line}")


@bus.command("seek")
def seek(
    group: Annotated[str, typer.Argument(help="The service that is to read.")],
    topic: Annotated[str, typer.Argument(help="What it is to read.")],
    to: Annotated[str, typer.Option(help="earliest, latest, or a time like 2026-05-01T18:00+02:00.")],
    pass_over: Annotated[bool, typer.Option("--pass-over", help="Even if messages are lost to the group.")] = False,
) -> None:
    """Let a group read a topic from a place on. What it has handled before has no second effect."""
    from boxoffice.app import bus_chores

    place = bus_chores.read_place(to)
    left = _with_servers(lambda settings: bus_chores.seek(settings, group, topic, place, pass_over=pass_over))
    for line in bus_chores.by_topic(left):
        typer.echo(f"{group} has now to read: {line}")


@bus.command("replay")
def replay(
    group: Annotated[str, typer.Argument(help="The service that is to handle them.")],
    since: Annotated[str, typer.Option(help="A time like 2026-05-01T18:00+02:00.")],
) -> None:
    """Let a group handle once more, as if for the first time, all that was published since a moment."""
    from boxoffice.app import bus_chores

    moment = bus_chores.read_time(since)
    for line in bus_chores.by_topic(_with_servers(lambda settings: bus_chores.replay(settings, group, moment))):
        typer.echo(f"{group} has now to read: {line}")


@bus.command("move")
def move_bus(
    to: Annotated[Literal["pglog", "kafka", ""], typer.Argument(help="The bus that is to carry them.")] = "",
    abort: Annotated[bool, typer.Option("--abort", help="Give up a move that is under way.")] = False,
) -> None:
    """Move the messages to another bus while everything runs; Ctrl-C gives it up. Killed, it is taken up by itself."""
    from boxoffice.app import chores

    if bool(to) == abort:
        raise StartupProblem("say where to, pglog or kafka, or --abort")
    if abort:
        typer.echo(f"Messages travel by {_with_servers(chores.abort_move)}.")
        return

    async def move(settings: "Settings") -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):  # also where a script began it with SIGINT ignored
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await chores.move_bus(settings, to, typer.echo)

    try:
        _with_servers(move)
    except asyncio.CancelledError:
        raise typer.Exit(1) from None


def _with_servers(work: Callable[["Settings"], Awaitable[Answer]]) -> Answer:
    """Do one piece of work on the servers that the settings name, that run here already, or that it starts itself."""
    from boxoffice.embedded.reach import reachable_servers
    from boxoffice.settings import read_settings

    async def do() -> Answer:
        async with reachable_servers(read_settings(), share=True) as (settings, _):
            return await work(settings)

    return asyncio.run(do())


def main() -> None:
    try:
        cli()
    except StartupProblem as problem:
        sys.exit(_one_line(problem))
    except BaseExceptionGroup as group:
        problems, rest = group.split(StartupProblem)
        if problems is None or rest is not None:
            raise
        sys.exit(_one_line(_first(problems)))


def _first(group: BaseExceptionGroup[StartupProblem]) -> BaseException:
    inner: BaseException = group
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner


def _one_line(problem: BaseException) -> str:
    return "boxoffice: " + " ".join(str(problem).split())


if __name__ == "__main__":
    main()
