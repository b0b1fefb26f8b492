"""`pagecast dlt`: shows what ingest refused, and sends it again."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pagecast.cli.options import AsJson, BootstrapServers, DatabaseUrl, StateDir

if TYPE_CHECKING:
    from pagecast.streaming.letters import Letter, Summary

app = typer.Typer(no_args_is_help=True, help="Dead letters: records that ingest refused.")

PROGRESS_LETTERS = 500
"""Letters between two reports of progress."""

SAMPLE_CHARACTERS_MAX = 100
"""Characters of a sample, for people; with --json it is whole."""

Topic = Annotated[
    str | None,
    typer.Option(
        help="Of this topic: interaction, catalog, profile, page, training, or a whole name."
    ),
]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", help="With this reason, such as RULE_BROKEN.")
]


@app.command("list")
def list_letters(
    topic: Topic = None,
    reason: ReasonOption = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100, help="Samples of each reason, the newest.")
    ] = 1,
    bootstrap_servers: BootstrapServers = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Lists the dead letters by topic and reason: how many, since when, and samples."""
    from pagecast.cli.discovery import bootstrap_servers as find_broker
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.streaming.letters import Summaries, read_letters

    settings = load_settings(state_dir=state_dir, bootstrap_servers=bootstrap_servers)
    configure_logging(settings, level="error")
    servers, topics, wanted = find_broker(settings), _topics(topic), _reason(reason)
    output, summaries = Output(as_json=as_json), Summaries(limit)
    with _errors(remedy=""), output.console.status("reading dead letters") as status:
        for number, letter in enumerate(read_letters(servers, topics), start=1):
            if wanted is None or letter.reason == wanted:
                summaries.add(letter)
            if number % PROGRESS_LETTERS == 0:
                status.update(f"reading dead letters: {number}")
    groups = sorted(summaries.groups.items())
    output.table(
        "",
        ("topic", "reason", "letters", "first", "last"),
        [_row(*at, group) for at, group in groups],
    )
    for (named, _), group in groups:
        for letter in group.samples:
            output.say((f"{_word(named)} {letter.offset}", "dim"), f" {_told(letter)}")
    if not groups:
        output.say("no dead letters")
    output.document(
        {
            "letters": sum(group.count for _, group in groups),
            "groups": [_group(*at, group) for at, group in groups],
        }
    )


@app.command()
def replay(
    topic: Topic = None,
    reason: ReasonOption = None,
    first: Annotated[
        int | None, typer.Option("--from", min=0, help="From this offset on; needs --topic.")
    ] = None,
    last: Annotated[
        int | None, typer.Option("--to", min=0, help="Up to this offset; needs --topic.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")
    ] = False,
    bootstrap_servers: BootstrapServers = None,
    database_url: DatabaseUrl = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Sends refused records to their topics again, each only once however often this is run."""
    from contextlib import ExitStack

    from pagecast.cli.database import open_database
    from pagecast.cli.discovery import bootstrap_servers as find_broker
    from pagecast.cli.exits import InputError
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.eventlog.producer import EventProducer
    from pagecast.featurestore.erasures import Erasures
    from pagecast.featurestore.replays import ReplayLedger
    from pagecast.streaming.letters import read_letters
    from pagecast.streaming.replay import Filter, Replay

    settings = load_settings(
        state_dir=state_dir, bootstrap_servers=bootstrap_servers, database_url=database_url
    )
    configure_logging(settings, level="error")
    servers, topics = find_broker(settings), _topics(topic)
    if topic is None and (first is not None or last is not None):
        raise InputError("offsets are of one topic", "pass --topic with --from and --to")
    which = Filter(reason=_reason(reason), first_offset=first, last_offset=last)
    output = Output(as_json=as_json)
    with ExitStack() as stack:
        stack.enter_context(_errors(remedy="run it again: what was acknowledged is not sent twice"))
        engine = stack.enter_context(open_database(settings))
        producer = None if dry_run else stack.enter_context(EventProducer(servers))
        status = stack.enter_context(output.console.status("replaying dead letters"))
        outcomes = Replay(ReplayLedger(engine), Erasures(engine), producer).replay(
            filter(which.takes, read_letters(servers, topics)),
            lambda judged: status.update(f"replaying dead letters: {judged}"),
        )
    output.table("", ("outcome", "letters"), [(o, f"{n}") for o, n in sorted(outcomes.items())])
    if not outcomes:
        output.say("no dead letter is of this selection")
    if dry_run:
        output.say(("a dry run: nothing was sent", "dim"))
    output.document({"outcomes": outcomes, "dry_run": dry_run})


@contextmanager
def _errors(*, remedy: str) -> Iterator[None]:
    """Tells what the event log raises in the command line's words."""
    from pagecast.cli.exits import CommandError, NotRunningError
    from pagecast.eventlog.errors import BrokerUnavailable, EventLogError

    try:
        yield
    except BrokerUnavailable as error:
        raise NotRunningError(str(error)) from error
    except EventLogError as error:
        raise CommandError(str(error), remedy) from error


def _topics(name: str | None) -> Collection[str]:
    """Topics by name, or by the word that tells them apart. Raises InputError."""
    from pagecast.cli.exits import InputError
    from pagecast.eventlog.topics import dead_letter
    from pagecast.streaming.letters import LETTERED

    if name is None:
        return LETTERED
    words = {_word(topic): topic for topic in LETTERED}
    found = [
        topic for word, topic in words.items() if name.lower() in (word, topic, dead_letter(topic))
    ]
    if not found:
        raise InputError(f"no topic {name!r} has dead letters", f"name one of {', '.join(words)}")
    return found


def _reason(name: str | None) -> str | None:
    """Raises InputError."""
    from pagecast.cli.exits import InputError
    from pagecast.eventlog.rejection import Reason

    if name is None or name.upper() in list(Reason):
        return None if name is None else name.upper()
    raise InputError(f"{name!r} is no reason", f"name one of {', '.join(Reason)}")


def _row(topic: str, reason: str, group: "Summary") -> tuple[str, ...]:
    first, last = _moment(group.first_ms), _moment(group.last_ms)
    return _word(topic), reason or "-", f"{group.count}", first, last


def _told(letter: "Letter") -> str:
    """A sample, as people read it."""
    text = f"{letter.field}: {letter.detail}" if letter.field else letter.detail
    return text[:SAMPLE_CHARACTERS_MAX]


def _word(topic: str) -> str:
    """What tells a topic from the others."""
    return topic.split(".")[1]


def _group(topic: str, reason: str, group: "Summary") -> dict[str, Any]:
    return {
        "topic": topic,
        "reason": reason,
        "count": group.count,
        "first_ms": group.first_ms,
        "last_ms": group.last_ms,
        "samples": [_sample(letter) for letter in group.samples],
    }


def _sample(letter: "Letter") -> dict[str, Any]:
    """Without the key: it names a user."""
    return {
        "partition": letter.partition,
        "offset": letter.offset,
        "written_at_ms": letter.written_at_ms,
        "field": letter.field,
        "detail": letter.detail,
        "truncated": letter.truncated,
        "replays": letter.replays,
    }


def _moment(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"
