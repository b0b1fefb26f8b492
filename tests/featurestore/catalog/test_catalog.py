import threading
from collections.abc import Sequence

import pytest
import sqlalchemy as sa
from factories import START_MS, genre_row, movie, source_row, timestamp, upsert
from factories_databases import migrated
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.featurestore.catalog.catalog import Catalog, CatalogFollower
from pagecast.featurestore.catalog.content import content_vector
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot, Window
from pagecast.featurestore.positions import LogOffset
from pagecast.v1 import catalog_pb2

Change = catalog_pb2.CatalogChange


def at_offsets(
    changes: Sequence[Change], *, first: int = 0, topic_id: str = "t"
) -> list[tuple[LogOffset, Change]]:
    return [
        (LogOffset(topic_id=topic_id, partition=0, offset=offset), change)
        for offset, change in enumerate(changes, start=first)
    ]


def retire_entity(entity_id: str, at_ms: int = START_MS) -> Change:
    return Change(occurred_at=timestamp(at_ms), retire_entity_id=entity_id)


def test_an_empty_catalog_has_number_zero(engine: sa.Engine) -> None:
    assert Catalog(engine).snapshot() == CatalogSnapshot(number=0, entities=(), rows=())


def test_every_effective_change_gets_the_next_number(engine: sa.Engine) -> None:
    catalog = Catalog(engine)
    changes = [
        upsert(movie("m1", "Drama")),
        upsert(movie("m1", "Drama")),  # nothing new
        upsert(movie("m2", "Comedy")),
        upsert(genre_row("Drama")),
        retire_entity("unknown"),  # nothing to retire
        retire_entity("m1"),
        retire_entity("m1"),  # already so
        upsert(movie("m1", "Drama")),  # offered again
    ]
    assert catalog.apply(at_offsets(changes)) == 5
    assert catalog.number() == 5
    snapshot = catalog.snapshot()
    assert [(e.entity_id, e.number, e.retired) for e in snapshot.entities] == [
        ("m1", 5, False),
        ("m2", 2, False),
    ]
    assert [row.row_id for row in snapshot.rows] == ["genre-drama"]


def test_applying_again_is_known_by_the_offset(engine: sa.Engine) -> None:
    catalog = Catalog(engine)
    first = at_offsets([upsert(movie("m1")), upsert(movie("m2"))])
    catalog.apply(first)
    catalog.apply(at_offsets([upsert(movie("m1", title="Renamed"))], first=2))
    assert catalog.apply(first) == 3
    assert catalog.snapshot().entities[0].title == "Renamed"


def test_a_log_that_starts_again_is_read_from_zero(engine: sa.Engine) -> None:
    catalog = Catalog(engine)
    changes = [upsert(movie("m1")), upsert(movie("m2"))]
    catalog.apply(at_offsets(changes))
    again = at_offsets([*changes, upsert(movie("m3"))], topic_id="made anew")
    assert catalog.apply(again) == 3, "the same contents take no number"
    assert catalog.apply(again) == 3


def test_a_snapshot_holds_all_of_a_change(engine: sa.Engine) -> None:
    entity = movie("m1", "Drama", released_ms=START_MS - 86_400_000)
    entity.languages.append("nl")
    entity.countries.append("NL")
    entity.maturity = 12
    entity.attributes["year"] = "1999"
    entity.devices.append("tv")
    entity.people.extend(["Ada", "Grace"])
    entity.embeddings.add(name="text", values=[0.0, 2.0])
    window = entity.availability.add(country="NL")
    getattr(window, "from").FromMilliseconds(START_MS)
    row = source_row("popular", catalog_pb2.ROW_SOURCE_POPULAR)
    row.pin = 0
    row.first_entity_ids.append("m1")
    catalog = Catalog(engine)
    catalog.apply(at_offsets([upsert(entity), upsert(row), upsert(genre_row("Drama"))]))
    snapshot = catalog.snapshot()
    (stored,) = snapshot.entities
    assert (stored.title, stored.genres, stored.languages) == ("Film m1", ("Drama",), ("nl",))
    assert (stored.countries, stored.maturity, stored.devices) == (("NL",), 12, ("tv",))
    assert stored.people == ("Ada", "Grace")
    assert stored.content == (content_vector("text", [0.0, 1.0]),)
    assert (stored.attributes, stored.age_days) == ({"year": "1999"}, 1.0)
    assert stored.availability == (Window(country="NL", from_ms=START_MS),)
    popular, drama = snapshot.rows
    assert (popular.source, popular.pin) == (catalog_pb2.ROW_SOURCE_POPULAR, 0)
    assert (popular.first_entity_ids, popular.predicate) == (("m1",), None)
    assert (drama.predicate, drama.pin) == (genre_row("Drama").predicate, None)
    assert snapshot.entity_index == {"m1": 0}
    assert snapshot.row_index == {"popular": 0, "genre-drama": 1}


def test_content_is_in_the_order_of_the_names_and_the_last_of_a_name_counts(
    engine: sa.Engine,
) -> None:
    entity = movie("m1")
    for name, values in (("text", [1.0, 0.0]), ("image", [1.0]), ("text", [0.0, 1.0])):
        entity.embeddings.add(name=name, values=values)
    entity.embeddings.add(name="nothing", values=[0.0])
    catalog = Catalog(engine)
    catalog.apply(at_offsets([upsert(entity)]))
    assert catalog.snapshot().entities[0].content == (
        content_vector("image", [1.0]),
        content_vector("text", [0.0, 1.0]),
    )


def test_a_number_that_is_not_reached_is_refused(engine: sa.Engine) -> None:
    with pytest.raises(ValueError, match="at number 0, not at 1"):
        Catalog(engine).snapshot(1)


def test_nothing_new_extends_to_the_same_snapshot(engine: sa.Engine) -> None:
    catalog = Catalog(engine)
    catalog.apply(at_offsets([upsert(movie("m1"))]))
    snapshot = catalog.snapshot()
    assert catalog.extend(snapshot) is snapshot


def test_a_snapshot_of_another_database_is_read_anew(engine: sa.Engine) -> None:
    catalog = Catalog(engine)
    catalog.apply(at_offsets([upsert(movie("m1"))]))
    foreign = CatalogSnapshot(number=9, entities=(), rows=())
    assert catalog.extend(foreign) == catalog.snapshot()


_changes = st.lists(
    st.one_of(
        st.builds(
            lambda e, g: upsert(movie(e, g)),
            st.sampled_from("abc"),
            st.sampled_from(["Drama", "Comedy"]),
        ),
        st.builds(retire_entity, st.sampled_from("abc")),
        st.builds(lambda g: upsert(genre_row(g)), st.sampled_from(["Drama", "Comedy"])),
    ),
    max_size=12,
)


@settings(max_examples=20)
@given(batches=st.lists(_changes, max_size=4))
def test_the_past_stays_the_same_and_indices_are_stable(batches: list[list[Change]]) -> None:
    engine = migrated("sqlite://")
    catalog, first = Catalog(engine), 0
    seen: dict[int, CatalogSnapshot] = {0: catalog.snapshot()}
    followed = catalog.snapshot()
    for batch in batches:
        before = catalog.number()
        assert before <= catalog.apply(at_offsets(batch, first=first)) <= before + len(batch)
        first += len(batch)
        followed = catalog.extend(followed)
        seen[followed.number] = followed
    assert followed == catalog.snapshot()
    for number, snapshot in seen.items():
        assert catalog.snapshot(number) == snapshot
        for entity_id, index in snapshot.entity_index.items():
            assert followed.entity_index[entity_id] == index
    engine.dispose()


@settings(max_examples=20)
@given(batch=_changes, cut=st.integers(0, 12))
def test_one_batch_or_two_make_the_same_catalog(batch: list[Change], cut: int) -> None:
    whole, halves = migrated("sqlite://"), migrated("sqlite://")
    changes = at_offsets(batch)
    Catalog(whole).apply(changes)
    Catalog(halves).apply(changes[:cut])
    Catalog(halves).apply(changes)  # a replay that overlaps
    assert Catalog(whole).snapshot() == Catalog(halves).snapshot()
    whole.dispose()
    halves.dispose()


def test_a_follower_sees_a_change_within_a_second(engine: sa.Engine) -> None:
    catalog = Catalog(engine)
    heard: list[int] = []
    with CatalogFollower(catalog) as follower:
        follower.add_listener(lambda snapshot: heard.append(snapshot.number))
        catalog.apply(at_offsets([upsert(movie("m1")), upsert(movie("m2"))]))
        assert follower.wait_for(2, timeout_s=1.0)
        assert [e.entity_id for e in follower.snapshot.entities] == ["m1", "m2"]
        assert not follower.wait_for(3, timeout_s=0.01)
    assert heard == [2]


def test_a_follower_survives_a_database_that_fails(sqlite_engine: sa.Engine) -> None:
    catalog = Catalog(sqlite_engine)
    catalog.apply(at_offsets([upsert(movie("m1"))]))
    failed = threading.Event()
    with CatalogFollower(catalog, poll_ms=5) as follower:
        sa.event.listen(sqlite_engine, "handle_error", lambda _: failed.set())
        _rename(sqlite_engine, "catalog_versions", "gone")
        assert failed.wait(5.0)
        assert follower.snapshot.number == 1, "the last snapshot stands"
        _rename(sqlite_engine, "gone", "catalog_versions")
        catalog.apply(at_offsets([upsert(movie("m2"))], first=1))
        assert follower.wait_for(2, timeout_s=5.0)


def test_a_listener_that_fails_does_not_stop_the_follower(sqlite_engine: sa.Engine) -> None:
    catalog = Catalog(sqlite_engine)
    with CatalogFollower(catalog, poll_ms=5) as follower:
        follower.add_listener(lambda _: 1 // 0)
        catalog.apply(at_offsets([upsert(movie("m1"))]))
        assert follower.wait_for(1, timeout_s=5.0)
        catalog.apply(at_offsets([upsert(movie("m2"))], first=1))
        assert follower.wait_for(2, timeout_s=5.0)


def _rename(engine: sa.Engine, before: str, after: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {before} RENAME TO {after}")
