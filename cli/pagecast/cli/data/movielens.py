"""MovieLens becomes catalog changes, interaction events and profiles (docs/data.md)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from pagecast.cli.data.rows import rows
from pagecast.cli.data.source import Film, MovieLens, Rating
from pagecast.cli.data.titles import readable_title
from pagecast.eventlog.stable_id import event_id
from pagecast.v1 import catalog_pb2, events_pb2

WEEK_S = 7 * 24 * 3600

ENTITY_PREFIX = "ml-"
"""Before the ids of films, which are numbers in the source."""

SESSION_GAP_S = 30 * 60
"""A longer pause begins a new session: the data set names none."""

KID_YEARS_MAX, TEEN_YEARS_MAX = 12, 17
"""Oldest ages of a child's and a teenager's profile."""


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Moves the data set's time by whole weeks: hours and weekdays stay what they were."""

    weeks: int

    @classmethod
    def to_now(cls, data: MovieLens, now_s: int) -> "Shift":
        """The last event falls into the week that ends at `now_s`."""
        last_s = data.ratings[-1].at_s
        return cls(weeks=(now_s - last_s) // WEEK_S)

    def at_ms(self, at_s: int) -> int:
        return (at_s + self.weeks * WEEK_S) * 1000


def entity_id(film_id: int) -> str:
    return f"{ENTITY_PREFIX}{film_id}"


def catalog_changes(data: MovieLens, shift: Shift) -> Iterator[catalog_pb2.CatalogChange]:
    """The rows, then the films in the order in which they appear.

    A change takes place when the timeline begins, or when the film is released if that is later.
    """
    begin_s = data.ratings[0].at_s
    years = {f.year for f in data.films if f.year is not None}
    genres = {genre for f in data.films for genre in f.genres}
    begin = _timestamp(shift.at_ms(begin_s))
    for row in rows(genres, years):
        yield catalog_pb2.CatalogChange(occurred_at=begin, upsert_row=row)
    for appears_s, film in sorted(
        ((max(begin_s, _released_s(f) or begin_s), f) for f in data.films),
        key=lambda pair: (pair[0], pair[1].film_id),
    ):
        yield catalog_pb2.CatalogChange(
            occurred_at=_timestamp(shift.at_ms(appears_s)), upsert_entity=_entity(film, shift)
        )


def interactions(data: MovieLens, shift: Shift) -> Iterator[tuple[int, dict[str, Any]]]:
    """A Play and a Rate for each rating, both at its time; ordered by (time, user, line).

    Yields milliseconds since 1970 and an InteractionEvent in the JSON mapping: making messages of
    the 200,000 would take five times as long.
    """
    sessions = _Sessions()
    for rating in data.ratings:
        session_id, at_ms = sessions.of(rating), shift.at_ms(rating.at_s)
        film = entity_id(rating.film_id)
        play = {"entityId": film, "kind": "PLAY_KIND_FEATURE"}
        yield at_ms, _event(data.name, rating, at_ms, session_id, "play", play)
        rate = {"entityId": film, "rating": float(rating.rating)}
        yield at_ms, _event(data.name, rating, at_ms, session_id, "rate", rate)


def profiles(data: MovieLens, shift: Shift) -> Iterator[events_pb2.ProfileChange]:
    """The profile type, derived from the age, as of the user's first event."""
    named: set[int] = set()
    for rating in data.ratings:
        if rating.user_id in named or rating.user_id not in data.ages:
            continue
        named.add(rating.user_id)
        yield events_pb2.ProfileChange(
            user_id=str(rating.user_id),
            occurred_at=_timestamp(shift.at_ms(rating.at_s)),
            profile_type=_profile_type(data.ages[rating.user_id]),
        )


def _entity(film: Film, shift: Shift) -> catalog_pb2.Entity:
    entity = catalog_pb2.Entity(
        entity_id=entity_id(film.film_id),
        kind=catalog_pb2.ENTITY_KIND_MOVIE,
        title=readable_title(film.title),
        genres=film.genres,
    )
    if (released_s := _released_s(film)) is not None:
        entity.attributes["year"] = str(film.year)
        entity.released_at.CopyFrom(_timestamp(shift.at_ms(released_s)))
    return entity


def _released_s(film: Film) -> int | None:
    if film.year is None:
        return None
    return int(datetime(film.year, 1, 1, tzinfo=UTC).timestamp())


def _event(
    name: str, rating: Rating, at_ms: int, session_id: str, action: str, content: dict[str, Any]
) -> dict[str, Any]:
    source = f"{name}/{rating.user_id}/{rating.film_id}/{rating.at_s}/{action}"
    return {
        "eventId": event_id(at_ms, source),
        "userId": str(rating.user_id),
        "occurredAt": f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "context": {"sessionId": session_id},
        action: content,
    }


def _profile_type(age: int) -> "events_pb2.ProfileType.ValueType":
    if age <= KID_YEARS_MAX:
        return events_pb2.PROFILE_TYPE_KID
    return events_pb2.PROFILE_TYPE_TEEN if age <= TEEN_YEARS_MAX else events_pb2.PROFILE_TYPE_ADULT


def _timestamp(at_ms: int) -> Timestamp:
    moment = Timestamp()
    moment.FromMilliseconds(at_ms)
    return moment


class _Sessions:
    """Numbers a user's sessions by the gaps between ratings, fed in time order."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, int]] = {}

    def of(self, rating: Rating) -> str:
        at_s, number = self._last.get(rating.user_id, (rating.at_s, 1))
        if rating.at_s - at_s > SESSION_GAP_S:
            number += 1
        self._last[rating.user_id] = (rating.at_s, number)
        return f"{rating.user_id}-{number}"
