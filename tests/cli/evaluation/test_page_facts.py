"""The facts of an evaluated page are those the server would have had at that moment."""

from pathlib import Path

from cli.factories_interchange import MINUTE_MS, write_catalog, write_lines
from factories import START_MS, play, rate

from pagecast.cli.data.interchange import read_interchange
from pagecast.cli.evaluation.page_facts import ServedFacts
from pagecast.trainer.evaluation.protocols.interactions import interactions_of
from pagecast.trainer.evaluation.protocols.splits import LEAVE_ONE_OUT, plan_of


def test_only_what_came_before_the_request_is_known(tmp_path: Path) -> None:
    events = [
        play("1", "e0", START_MS),
        rate("1", "e1", 5.0, START_MS + MINUTE_MS),
        rate("1", "e2", 1.0, START_MS + 2 * MINUTE_MS),
        play("1", "e3", START_MS + 3 * MINUTE_MS),
        play("1", "e4", START_MS + 3 * MINUTE_MS),
    ]
    write_catalog(tmp_path)
    write_lines(tmp_path / "interactions.jsonl", events)
    interchange = read_interchange(tmp_path)
    data = interactions_of(interchange.users, interchange.catalog)
    (request,) = plan_of(LEAVE_ONE_OUT, data).test.requests
    facts = ServedFacts(interchange)(data, request)
    assert facts.at_ms == START_MS + 3 * MINUTE_MS
    assert facts.watched == {"e0", "e1", "e2", "e3"}, "e3 is of the same moment, and visible"
    assert facts.because == ("e1", "e0"), "e2 was disliked"
    assert (facts.rows, facts.entities_per_row) == (8, 10)
