"""`pagecast publish`: JSON lines to Kafka."""

from pathlib import Path
from typing import Annotated

import typer

from pagecast.cli.options import AsJson, BootstrapServers, StateDir

INGEST_SECONDS_MAX = 3600.0
"""How long `--wait` waits: in an hour, ingest catches up on millions of events."""


def publish(
    files: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, readable=True, help="JSON lines.")
    ],
    wait: Annotated[
        bool, typer.Option("--wait", help="Return once the ingest workers have it all.")
    ] = False,
    bootstrap_servers: BootstrapServers = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Publishes events, catalog changes and profiles; every line is checked before it is sent."""
    from pagecast.cli.catchup import wait_for_ingest
    from pagecast.cli.discovery import bootstrap_servers as find_broker
    from pagecast.cli.exits import CommandError, InputError, NotRunningError
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.output import Output
    from pagecast.cli.progress import progress_bar
    from pagecast.cli.settings import load_settings
    from pagecast.eventlog.admin import ensure_topics
    from pagecast.eventlog.errors import BrokerUnavailable, EventLogError
    from pagecast.eventlog.producer import EventProducer
    from pagecast.streaming.publish import LineRefused, publish_files

    settings = load_settings(state_dir=state_dir, bootstrap_servers=bootstrap_servers)
    configure_logging(settings, level="error")
    servers, output = find_broker(settings), Output(as_json=as_json)
    try:
        ensure_topics(servers)
        with EventProducer(servers) as producer, progress_bar(output.console) as progress:
            size = sum(path.stat().st_size for path in files)
            task = progress.add_task("publishing", total=size, note="")
            counts = publish_files(producer, files, lambda read: progress.advance(task, read))
            acknowledged = producer.acknowledged
        if wait:
            with output.console.status("waiting for the ingest workers"):
                wait_for_ingest(
                    servers,
                    settings.ingest.group,
                    acknowledged,
                    lambda _: None,
                    seconds_max=INGEST_SECONDS_MAX,
                )
    except LineRefused as error:
        raise InputError(str(error), "mend the line and publish the file again") from error
    except BrokerUnavailable as error:
        raise NotRunningError(str(error)) from error
    except EventLogError as error:
        raise CommandError(str(error)) from error
    if counts:
        output.table("", ("topic", "messages"), [(topic, f"{n}") for topic, n in counts.items()])
    else:
        output.say("nothing to publish: there is no line in " + ", ".join(map(str, files)))
    output.document({"published": counts, "ingested": wait})
