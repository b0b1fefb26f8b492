"""`pagecast doctor`: what is broken, and how to mend it."""

import typer

from pagecast.cli.options import (
    AsJson,
    BootstrapServers,
    DatabaseUrl,
    OnlineStoreUrl,
    ServerAddress,
    StateDir,
)


def doctor(
    bootstrap_servers: BootstrapServers = None,
    server: ServerAddress = None,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    online_store_url: OnlineStoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Looks at versions, ports, broker, stores, registry, model and disk; exits 1 if one is broken.

    What does not run, or does not exist yet, is noted and not taken for broken.
    """
    from dataclasses import asdict

    from pagecast.cli.doctor.environment import look_at_environment
    from pagecast.cli.doctor.finding import Health
    from pagecast.cli.doctor.services import look_at_services
    from pagecast.cli.doctor.stores import look_at_stores
    from pagecast.cli.exits import ExitCode
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings

    settings = load_settings(
        state_dir=state_dir,
        database_url=database_url,
        online_store_url=online_store_url,
        bootstrap_servers=bootstrap_servers,
        server_address=server,
    )
    configure_logging(settings, level="error")
    output = Output(as_json=as_json)
    styles = {Health.OK: "green", Health.NOTE: "dim", Health.BROKEN: "bold red"}
    findings = []
    for look in (look_at_environment, look_at_services, look_at_stores):
        for finding in look(settings):
            findings.append(finding)
            style = styles[finding.health]
            output.console.print(f"[{style}]{finding.health:<7}[/]", end="")
            output.console.print(f"{finding.part}: {finding.text}", markup=False)
            if finding.remedy:
                output.console.print(f"       → {finding.remedy}", markup=False)
    output.document([asdict(finding) for finding in findings])
    if any(finding.health is Health.BROKEN for finding in findings):
        raise typer.Exit(ExitCode.FAILED)
