"""Rows of the overload: what was still done, and how soon the rest was refused."""

import grpc

from pagecast.cli.bench.serve.asking import AskedPage
from pagecast.cli.bench.serve.overload import Overloaded, rows_of_overload
from pagecast.cli.bench.serve.refusals import REFUSED, Answer, probes_per_second

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
LATE = grpc.StatusCode.DEADLINE_EXCEEDED


def refused(ms: float) -> AskedPage:
    return AskedPage(due_s=0.0, asked_s=1.0, ended_s=1.0 + ms / 1000, code=EXHAUSTED)


def taken(first_row_s: float, code: grpc.StatusCode | None = None) -> AskedPage:
    return AskedPage(due_s=0.0, rows_s=[first_row_s], ended_s=9.0, code=code)


def answer(ms: float, code: str = REFUSED) -> Answer:
    return Answer(asked_s=0.0, ms=ms, code=code)


def seen(pages: list[AskedPage], answers: list[Answer], goodput: float = 3.8) -> Overloaded:
    return Overloaded(peak=4.0, goodput=goodput, seconds=1.0, pages=pages, answers=answers)


def test_goodput_stands_beside_the_peak_and_says_how_much_was_asked_for() -> None:
    row = rows_of_overload(seen([refused(2.0)] * 36 + [taken(0.5)] * 4, []))[0]
    assert row.what == "pages/s, whole within 30 s, asked for 10.0 times the peak"
    assert (row.ours, row.theirs, row.reach, row.reached) == (3.8, 4.0, 0.9, True)
    assert rows_of_overload(seen([refused(2.0)], [], goodput=3.5))[0].reached is False


def test_probes_are_asked_for_as_well() -> None:
    row = rows_of_overload(seen([refused(2.0)] * 30 + [taken(0.5)] * 4, [answer(2.0)] * 6))[0]
    assert row.what.endswith("asked for 10.0 times the peak")
    assert probes_per_second(57.0) == 20.0
    assert probes_per_second(10.0) == 5.0


def test_refusals_are_timed_by_probes_and_the_load_stands_beside_them() -> None:
    answers = [answer(2.0)] * 98 + [answer(12.0)] * 2 + [answer(1000.0, "DEADLINE_EXCEEDED")]
    rows = {row.what: row for row in rows_of_overload(seen([refused(30.0)], answers))}
    p50, p99 = (rows[f"overload: refusal p{part} ms, 100 probes"] for part in (50, 99))
    assert (p50.ours, round(p50.theirs or 0), p50.reached) == (2.0, 30, True)
    assert (p99.ours, p99.reached) == (12.0, False)


def test_probes_that_were_not_refused_stand_beside_what_was_taken_in() -> None:
    pages = [refused(2.0), refused(2.0), refused(2.0), taken(0.5)]
    answers = [answer(2.0), answer(1000.0, "DEADLINE_EXCEEDED")]
    row = rows_of_overload(seen(pages, answers))[-1]
    assert row.what == "overload: probes not refused within a second, share"
    assert (row.ours, row.theirs) == (0.5, 0.25)


def test_pages_that_were_taken_in_and_cut_are_told() -> None:
    rows = {row.what: row.ours for row in rows_of_overload(seen([taken(0.5), taken(2, LATE)], []))}
    assert rows["overload: pages neither refused nor whole"] == 1
    assert rows["overload: first row p99 ms of pages taken in"] == 2000.0


def test_where_nothing_was_refused_no_refusal_is_timed() -> None:
    rows = rows_of_overload(seen([taken(0.5)], [answer(1000.0, "DEADLINE_EXCEEDED")]))
    assert not [row.what for row in rows if "refusal" in row.what]
