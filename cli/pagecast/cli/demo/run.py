"""The demo, step by step, numbered as on the terminal."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from pagecast.cli.client import Client
from pagecast.cli.data.movielens import entity_id
from pagecast.cli.data.titles import readable_title
from pagecast.cli.demo.change import WATCHED, Change, Film, show_change
from pagecast.cli.demo.launch import Launch, show_launch
from pagecast.cli.demo.learning import (
    evaluate_on_next_slice,
    learn,
    publish_model,
    quality_report,
)
from pagecast.cli.demo.load import STREAMS, run_load
from pagecast.cli.demo.pages import show_pages
from pagecast.cli.demo.people import People
from pagecast.cli.demo.report import Ingested, QualityReport, Report
from pagecast.cli.demo.retraining import Learned, show_retraining
from pagecast.cli.demo.stage import Stage, heading
from pagecast.cli.demo.timeline import Timeline, ingest_slice, prepare, publish_slice
from pagecast.cli.exits import InputError
from pagecast.cli.stack.local import LocalStack
from pagecast.cli.training.source import training_source
from pagecast.eventlog.admin import ensure_topics
from pagecast.eventlog.producer import EventProducer
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.models.registry import Registry

PEOPLE_SHOWN = 2
"""People whose pages are shown beside the one that changes; a stranger's comes after them."""

PEOPLE_ASKED = 10
"""People whose pages are checked for new entities, and asked for under load."""

STRANGER = "a-stranger"

PROMOTED_BY = "demo"


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """What the demo runs on."""

    data_folder: Path
    """Where the fetched data set is kept, from one demo to the next."""
    group: str
    """Consumer group of the ingest worker."""
    budget_minutes: float | None
    """Of the training loop; None is the trainer's default."""


def run_demo(stack: LocalStack, config: DemoConfig, console: Console) -> Report:
    """Runs all steps on an entered stack. Raises CheckFailedError if a check fails."""
    begin = time.monotonic()
    timeline = _first_slice(stack, config, console)
    with EventProducer(stack.kafka, source="pagecast/demo") as producer:
        ingested = _publish_and_ingest(stack, config, console, timeline, producer)
        version, quality = _model(stack, config, console, timeline, producer)
        address = stack.start_server()
        heading(console, 6, f"Pages over gRPC from {address}, written as they are decoded")
        with Client(address) as client:
            stage = Stage(console=console, client=client)
            people = People(timeline.data)
            _show_pages(stage, people, version)
            change, launch = _change_and_launch(stage, producer, people)
            asked = [str(user) for user in people.newest(PEOPLE_ASKED)]
            heading(console, 8, f"{STREAMS} readers at once")
            load = run_load(stage, asked)
            learned = _learn_more(stack, config, stage, version, asked)
    report = Report(
        seconds=time.monotonic() - begin,
        model_version=version,
        ingested=ingested,
        quality=quality,
        change=change,
        launch=launch,
        load=load,
        learned=learned,
    )
    report.show(console)
    return report


def _first_slice(stack: LocalStack, config: DemoConfig, console: Console) -> Timeline:
    heading(console, 1, "Real data: MovieLens 100K")
    timeline = prepare(console, config.data_folder, stack.config.paths.root / "timeline")
    heading(console, 2, "A Kafka-protocol broker, and the first 90 % of the timeline through it")
    servers = stack.start_broker()
    ensure_topics(servers)
    console.print(f"  broker at {servers}")
    return timeline


def _publish_and_ingest(
    stack: LocalStack,
    config: DemoConfig,
    console: Console,
    timeline: Timeline,
    producer: EventProducer,
) -> Ingested:
    slices = timeline.slices
    publish_slice(console, producer, [slices.catalog, slices.profiles, slices.first])
    heading(console, 3, "Events become histories in Feast's online store and an offline log")
    stack.start_ingest()
    ingested = ingest_slice(console, stack, producer, config.group)
    if ingested.events != slices.first.lines:
        raise InputError(
            f"the log held {ingested.events} events after {slices.first.lines} were published",
            "the demo needs topics of its own: name an empty Kafka, or none",
        )
    console.print(
        f"  {ingested.events:,} events in the feature store, "
        f"{ingested.events_per_second:,.0f} per second"
    )
    return ingested


def _model(
    stack: LocalStack,
    config: DemoConfig,
    console: Console,
    timeline: Timeline,
    producer: EventProducer,
) -> tuple[str, QualityReport]:
    """Trains on the first slice, evaluates on the next; returns the champion's version."""
    paths = stack.config.paths
    with training_source(paths, stack.config.database_url, stack.config.online_store_url) as source:
        heading(console, 4, "A first model from the feature store, on the CPU")
        trained = learn(console, source, config.budget_minutes)
        console.print("  then the rest of the timeline happens")
        publish_slice(console, producer, [timeline.slices.next])
        ingest_slice(console, stack, producer, config.group)
        quality = evaluate_on_next_slice(console, source, trained)
        heading(console, 5, "The model becomes a bundle, and the champion")
        version = publish_model(console, source, trained, quality)
    with _registry(stack) as registry:
        registry.promote(version, PROMOTED_BY)
    return version, quality_report(quality)


def _learn_more(
    stack: LocalStack, config: DemoConfig, stage: Stage, serving: str, users: Sequence[str]
) -> Learned:
    heading(stage.console, 9, "What happened since is learned, while somebody reads on")
    stack.start_trainer()
    budget_minutes = math.inf if config.budget_minutes is None else config.budget_minutes
    with _registry(stack) as registry:
        return show_retraining(stage, registry, serving, users, budget_minutes)


@contextmanager
def _registry(stack: LocalStack) -> Iterator[Registry]:
    engine = connect(stack.config.database_url or stack.config.paths.database_url)
    try:
        migrate(engine)
        yield Registry(engine)
    finally:
        engine.dispose()


def _show_pages(stage: Stage, people: People, version: str) -> None:
    users = people.newest(1 + PEOPLE_SHOWN)[1:]
    shown = [(str(user), people.describe(user)) for user in users]
    show_pages(stage, [*shown, (STRANGER, "a stranger, of whom nothing is known")], version)


def _change_and_launch(
    stage: Stage, producer: EventProducer, people: People
) -> tuple[Change, Launch]:
    user = people.newest(1)[0]
    genre, chosen = people.next_interest(user, WATCHED + 1)
    films = [
        Film(entity_id=entity_id(film.film_id), title=readable_title(film.title)) for film in chosen
    ]
    heading(stage.console, 7, "An event changes the next page; three entities are new")
    stage.console.print(f"  {people.describe(user)}, now discovers {genre}")
    change = show_change(stage, producer, str(user), films)
    stage.console.print("\n  [bold]a film, a game and a live event, through the catalog topic[/]")
    asked = [str(other) for other in people.newest(PEOPLE_ASKED)]
    return change, show_launch(stage, producer, asked, people.newest_year)
