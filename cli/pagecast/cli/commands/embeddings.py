"""`pagecast embeddings`: vectors of users, entities, genres and rows for other systems."""

from dataclasses import asdict

import typer

from pagecast.cli.options import AsJson, DatabaseUrl, OnlineStoreUrl, StateDir

app = typer.Typer(no_args_is_help=True, help="Published embeddings (docs/prediction.md).")


@app.callback()
def embeddings() -> None:
    """Keeps `write` a command of its own."""


@app.command()
def write(
    database_url: DatabaseUrl = None,
    online_store_url: OnlineStoreUrl = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Writes the champion's embeddings to the online store and as Parquet.

    May run beside a server and ingest. If interrupted, it goes on after the last chunk when it is
    run again.
    """
    from pagecast.cli.embedding import champion_of, run_job
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.output import Output
    from pagecast.cli.progress import progress_bar
    from pagecast.cli.settings import load_settings

    settings = load_settings(
        state_dir=state_dir, database_url=database_url, online_store_url=online_store_url
    )
    configure_logging(settings, level="warning")
    output = Output(as_json=as_json)
    model = champion_of(settings)
    with progress_bar(output.console) as bar:
        task = bar.add_task("embeddings", total=1.0, note="")
        run, done = run_job(
            settings,
            model,
            lambda at: bar.update(
                task, total=at.parts, completed=at.parts_done, note=f"{at.users} users"
            ),
        )
    output.say(
        f"model {run.model_version}: {done.users} users, {done.entities} entities, "
        f"{done.genres} genres, {done.rows} rows written; {done.resumed} parts were there"
    )
    output.document({"run": run.name, "model_version": run.model_version, **asdict(done)})
