"""What holds for every test."""

import gc
import logging
from collections.abc import Generator, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

# Two busy cores: an example, or making one, may take longer than hypothesis allows for reasons of
# its own. The number is said here, for all folders, because a profile that one of them loaded would
# be that of whatever is collected after it; a property whose examples cost more, or which hunts for
# something rarer, states its own.
settings.register_profile(
    "pagecast", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("pagecast")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """What hundreds of imports make stays: the collector looks at it once, and never again."""
    gc.disable()
    result = yield
    gc.enable()
    gc.collect()
    gc.freeze()
    return result


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that a test calls in this process sets up logging for the whole of it."""
    configured = structlog.get_config()
    loggers = [logging.getLogger(name) for name in (None, "pagecast", "kafka.net.selector")]
    levels = [logger.level for logger in loggers]
    handlers = list(logging.getLogger().handlers)
    yield
    structlog.configure(**configured)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    logging.getLogger().handlers = handlers
