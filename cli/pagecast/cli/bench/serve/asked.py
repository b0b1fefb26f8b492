"""The page that is measured in one process: its prompt, its rules, and the clock it is timed by."""

import time
from collections.abc import Callable

from pagecast.cli.bench.serve.page_shape import PageShape
from pagecast.cli.bench.serve.world import START_MS, USER, World
from pagecast.engine.providers import Provider
from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf, build_prompt
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import RequestFacts
from pagecast.rules.page_rules import PageRules, compile_rules

Clock = Callable[[], float]
"""Seconds."""


def asked_page(world: World) -> tuple[Prompt, PageRules]:
    """The page of a user with a long history."""
    shape = PageShape()
    facts = RequestFacts(at_ms=START_MS, rows=shape.rows, entities_per_row=shape.entities_per_row)
    rules = compile_rules(CompiledCatalog(world.snapshot), facts, ())
    store = OnlineFeatures.open(world.paths)
    history = store.read_history(USER)
    store.close()
    half = RequestHalf(at_ms=START_MS, device="tv")
    return build_prompt(history, Profile(), half, catalog=world.snapshot), rules


def clock_of(provider: Provider) -> tuple[str, Clock]:
    """The unit that rows name, and the clock: a thread that waits for a GPU uses no CPU."""
    if provider is Provider.CPU:
        return "CPU ms", time.thread_time
    return "wall clock ms", time.perf_counter
