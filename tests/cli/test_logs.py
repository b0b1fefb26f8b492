"""Log lines follow the newest configuration: where they go, their form and their level."""

import json
import logging

import pytest
import structlog

from pagecast.cli.logs import configure_logging
from pagecast.cli.settings import Settings

AS_JSON = Settings(log_format="json")


def test_a_logger_that_was_used_before_follows_the_newest_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = structlog.get_logger("pagecast.somewhere")
    configure_logging(AS_JSON, level="error", facts={"worker": 1})
    log.error("with_the_first")
    configure_logging(AS_JSON, level="info", facts={"worker": 2})
    log.info("with_the_second")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["event"], first["worker"]) == ("with_the_first", 1)
    assert (second["event"], second["worker"]) == ("with_the_second", 2)


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(AS_JSON, level="warning")
    structlog.get_logger().info("not_said")
    logging.getLogger("pagecast.somewhere").info("nor this")
    logging.getLogger("somebodys_library").warning("of a library")
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["event"], line["level"]) == ("of a library", "warning")
