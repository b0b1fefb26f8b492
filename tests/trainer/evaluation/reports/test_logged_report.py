"""Logged pages in, AUCs out; the pages are records as the log holds them."""

from typing import Literal

import pytest
from trainer.factories_logged import SEEN

from pagecast.featurestore.pages.logged_pages import EntityOutcome, LoggedPageOutcome
from pagecast.featurestore.pages.reward import Outcome, RewardConfig
from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.reports.impressions import logged_impressions
from pagecast.trainer.evaluation.reports.logged_report import evaluate_logged
from pagecast.v1 import events_pb2


def outcome(row: int, place: int, *, played: bool) -> EntityOutcome:
    return SEEN._replace(
        entity_id=f"e{row}{place}",
        row_id=f"r{row}",
        row_position=row,
        entity_position=place,
        played=played,
        abandoned=not played,
    )


def page(
    user: str, played: tuple[int, int], *, model: str = "m1", unlikely: bool = False
) -> LoggedPageOutcome:
    """Two rows of two entities, of which one was played and all were seen."""
    said = [-1.0, -1.0] if unlikely else [-1.0, -2.0]
    rows = [
        events_pb2.ServedRow(
            row_id=f"r{row}",
            log_probability=-float(row),
            entity_ids=[f"e{row}0", f"e{row}1"],
            entity_log_probabilities=said,
        )
        for row in range(2)
    ]
    places = [(row, place) for row in range(2) for place in range(2)]
    return LoggedPageOutcome(
        page_id=f"page-{user}",
        user_id=user,
        requested_at_ms=0,
        model_version=model,
        arm="champion",
        value=events_pb2.PageServed(rows=rows).SerializeToString(),
        entities=tuple(outcome(*place, played=place == played) for place in places),
    )


def test_what_was_likelier_was_played_and_so_was_what_stood_first() -> None:
    report = evaluate_logged("log", logged_impressions([page("u", (0, 0)), page("v", (0, 0))]))
    assert (report.pages, report.users, report.entities, report.rows) == (2, 2, 8, 4)
    served, position = report.systems
    assert (served.name, position.name) == ("served", "position")
    assert served.entity_auc == position.entity_auc == pytest.approx(5 / 6)
    assert served.row_auc == position.row_auc == 1.0
    assert served.calibration is not None
    assert position.calibration is None


def test_what_was_said_and_where_it_stood_are_told_apart() -> None:
    served, position = evaluate_logged(
        "log", logged_impressions([page("u", (0, 1), unlikely=True)])
    ).systems
    assert served.entity_auc == 0.5
    assert position.entity_auc < 0.5


@pytest.mark.parametrize(("row", "worth"), [("max", 0.4), ("mean", 0.2), ("sum", 0.4)])
def test_a_row_is_worth_what_the_reward_makes_of_its_entities(
    row: Literal["sum", "mean", "max"], worth: float
) -> None:
    rows = logged_impressions([page("u", (1, 1))], RewardConfig(row=row)).rows
    assert rows.place_X.tolist() == [0, 1]
    assert rows.reward_X[1] == pytest.approx(worth)
    assert rows.reward_X[0] == 0


def test_outcomes_are_worth_what_the_reward_s_table_says() -> None:
    seen = logged_impressions([page("u", (0, 0))]).entities
    table = RewardConfig().table
    played, left = table[Outcome.SHORT_PLAY], table[Outcome.IMPRESSION]
    assert seen.reward_X.tolist() == [played, left, left, left]


def test_what_was_rated_badly_was_not_liked() -> None:
    one = page("u", (0, 0))
    badly = one.entities[0]._replace(rating=1.0)
    seen = logged_impressions([one._replace(entities=(badly, *one.entities[1:]))]).entities
    assert seen.reward_X[0] < 0


def test_pages_without_a_model_said_nothing() -> None:
    with pytest.raises(EvaluationError, match="no page of a model has an impression"):
        evaluate_logged("log", logged_impressions([page("u", (0, 0), model="")]))


def test_an_auc_of_which_there_is_none_is_null() -> None:
    nothing_played = page("u", (9, 9))
    document = evaluate_logged("log", logged_impressions([nothing_played])).to_json()
    served = document["systems"][0]  # type: ignore[index, call-overload]
    assert served["entity_auc"] is None  # type: ignore[index, call-overload]
    assert document["protocol"] == "logged-pages"
