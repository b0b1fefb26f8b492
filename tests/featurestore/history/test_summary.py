from factories import START_MS, movie, play
from factories_featurestore import MINUTE_MS, fold, make_event, snapshot_of, stop

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.fold import FoldConfig
from pagecast.featurestore.history.history import History, Total
from pagecast.featurestore.history.summary import NOTHING, Summary, summarise
from pagecast.v1 import catalog_pb2, events_pb2

SHORT = FoldConfig(steps_max=1, evicted_together=1)


def summary_of(history: History, snapshot: CatalogSnapshot) -> Summary:
    return summarise(history.entity_totals, history.row_totals, snapshot)


def test_while_nothing_has_left_the_window_there_is_no_summary() -> None:
    history = fold([play("ada", "e")])
    assert summary_of(history, snapshot_of(movie("e", "Drama"))) == NOTHING


def test_what_left_the_window_is_summed_by_genre_kind_and_row() -> None:
    placement = events_pb2.Placement(row_id="top")
    history = fold(
        [
            stop("heat", 60_000, START_MS),
            make_event(
                START_MS + 1, click=events_pb2.Click(entity_id="alien", placement=placement)
            ),
            stop("chess", 5_000, START_MS + 2),
            play("ada", "last", START_MS + 3),
        ],
        config=SHORT,
    )
    chess = catalog_pb2.Entity(
        entity_id="chess", kind=catalog_pb2.ENTITY_KIND_GAME, genres=["Thriller"]
    )
    summary = summary_of(
        history, snapshot_of(movie("heat", "Crime", "Thriller"), movie("alien", "Horror"), chess)
    )
    assert dict(summary.genres) == {
        "Crime": Total(1, 60_000, START_MS),
        "Horror": Total(1, 0, START_MS + 1),
        "Thriller": Total(2, 65_000, START_MS + 2),
    }
    assert dict(summary.kinds) == {
        "game": Total(1, 5_000, START_MS + 2),
        "movie": Total(2, 60_000, START_MS + 1),
    }
    assert dict(summary.rows) == {
        "": Total(2, 65_000, START_MS + 2),
        "top": Total(1, 0, START_MS + 1),
    }


def test_an_entity_counts_as_unknown_until_the_catalog_names_it() -> None:
    events = [play("ada", f"e{n}", START_MS + n * MINUTE_MS) for n in range(2)]
    history: History = fold(events, config=SHORT)
    assert dict(summary_of(history, snapshot_of()).genres) == {"": Total(1, 0, START_MS)}
    named = summary_of(history, snapshot_of(movie("e0", "Drama")))
    assert [name for name, _ in named.genres] == ["Drama"]
