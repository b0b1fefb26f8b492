"""`pagecast bench`: figures, each beside another of the same run."""

import typer

from pagecast.cli.commands.bench.align import align
from pagecast.cli.commands.bench.ingest import ingest
from pagecast.cli.commands.bench.learn import learn
from pagecast.cli.commands.bench.model import model
from pagecast.cli.commands.bench.serve import serve

app = typer.Typer(no_args_is_help=True, help="Figures beside others of the same run.")
for command in (ingest, model, serve, learn, align):
    app.command()(command)
