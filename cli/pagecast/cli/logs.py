"""Where log lines go: to stderr, for people on a terminal and as JSON elsewhere."""

import logging
import sys
from collections.abc import Mapping

import structlog

from pagecast.cli.settings import Settings


def configure_logging(
    settings: Settings, *, level: str | None = None, facts: Mapping[str, object] | None = None
) -> None:
    """Sends structlog's and the libraries' lines the same way, from `level` on.

    `facts` are in every line, such as which of several processes wrote it.
    """
    least = getattr(logging, (level or settings.log_level).upper())
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _adding(facts or {}),
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A cached logger would keep the level and facts of an earlier configuration. Caching saves
        # only microseconds a line, and no page or event that goes well is logged.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(shared, as_json=as_json))
    root = logging.getLogger()
    root.handlers = [handler]
    # Libraries are heard when something is wrong: kafka-python logs every connection at info.
    root.setLevel(max(least, logging.WARNING))
    logging.getLogger("pagecast").setLevel(least)
    # It warns of every pause of more than 0.1 s, which a busy machine has all the time.
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)


def _adding(facts: Mapping[str, object]) -> structlog.typing.Processor:
    def add(
        _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event.update(facts)
        return event

    return add


def _formatter(
    shared: list[structlog.typing.Processor], *, as_json: bool
) -> structlog.stdlib.ProcessorFormatter:
    render: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if as_json
        else [structlog.dev.ConsoleRenderer()]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
