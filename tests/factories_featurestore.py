"""Events, logs and hypothesis strategies of the feature store's suite."""

from collections.abc import Callable, Sequence

from factories import START_MS, event_id, timestamp
from hypothesis import strategies as st

from pagecast.featurestore.catalog.items import entity_of
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.fold import DEFAULT_FOLD, FoldConfig, apply_event
from pagecast.featurestore.history.history import Action, History, HistoryVersion, Profile, Step
from pagecast.featurestore.history.steps import Context
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf
from pagecast.v1 import catalog_pb2, events_pb2

MINUTE_MS = 60_000
TOPIC = "topic-of-tests"

Event = events_pb2.InteractionEvent


def version(next_offset: int, *, topic_id: str = TOPIC, partition: int = 0) -> HistoryVersion:
    return HistoryVersion(topic_id=topic_id, partition=partition, next_offset=next_offset)


def make_event(
    at_ms: int = START_MS,
    *,
    user_id: str = "ada",
    session_id: str = "s1",
    salt: str = "",
    **action: object,
) -> Event:
    """An event with one action: `make_event(click=events_pb2.Click(entity_id="e"))`."""
    return Event(
        event_id=event_id(at_ms, f"{salt}/{user_id}/{sorted(action.items(), key=str)}"),
        user_id=user_id,
        occurred_at=timestamp(at_ms),
        context=events_pb2.RequestContext(
            session_id=session_id, device="tv", country="NL", language="nl", surface="home"
        ),
        **action,
    )


def stop(
    entity_id: str,
    watched_ms: int,
    at_ms: int,
    *,
    resume_ms: int | None = None,
    completed: bool = False,
    session_id: str = "s1",
) -> Event:
    event = make_event(
        at_ms, session_id=session_id, stop=events_pb2.Stop(entity_id=entity_id, completed=completed)
    )
    event.stop.watched.FromMilliseconds(watched_ms)
    if resume_ms is not None:
        event.stop.resume_position.FromMilliseconds(resume_ms)
    return event


def fold(
    events: Sequence[Event],
    history: History | None = None,
    *,
    first_offset: int = 0,
    config: FoldConfig = DEFAULT_FOLD,
) -> History:
    """The history after these events of one partition, at consecutive offsets."""
    folded = history if history is not None else History("ada")
    for offset, event in enumerate(events, start=first_offset):
        apply_event(folded, event, version(offset + 1), config)
    return folded


def history_with(
    *steps: Step, user_id: str = "ada", version: HistoryVersion | None = None, **sets: object
) -> History:
    """A history that says this; `sets` are its exact sets by name."""
    history = History(user_id, version)
    columns, intern = history.steps, history.strings.intern
    for step in steps:
        context = Context(step.device, step.country, step.language, step.surface, step.session_id)
        columns.at_ms.append(step.occurred_at_ms)
        columns.action.append(step.action)
        columns.entity.append(intern(step.entity_id))
        columns.row.append(intern(step.row_id))
        columns.watched_ms.append(step.watched_ms)
        columns.rating.append(0 if step.rating is None else int(step.rating * 2) + 1)
        columns.events.append(step.events)
        columns.context.append(columns.context_index(context))
    for name, value in sets.items():
        for entity_id in value:
            intern(entity_id)
        setattr(history, name, value)
    return history


def snapshot_of(*entities: catalog_pb2.Entity) -> CatalogSnapshot:
    """A catalog of these entities and no rows."""
    made = [
        entity_of(entity.SerializeToString(), number=number, changed_at_ms=0, retired=False)
        for number, entity in enumerate(entities, start=1)
    ]
    return CatalogSnapshot(number=len(made), entities=tuple(made), rows=())


_ENTITIES = st.sampled_from(["e1", "e2", "e3"])

_ACTIONS: Sequence[Callable[[str, int], dict[str, object]]] = (
    lambda e, n: {"click": events_pb2.Click(entity_id=e)},
    lambda e, n: {"view_details": events_pb2.ViewDetails(entity_id=e)},
    lambda e, n: {"play": events_pb2.Play(entity_id=e, kind=1 + n % 3)},
    lambda e, n: {
        "stop": events_pb2.Stop(
            entity_id=e, completed=n % 5 == 0, watched={"seconds": n}, resume_position={"nanos": n}
        )
    },
    lambda e, n: {"rate": events_pb2.Rate(entity_id=e, rating=(n % 50) / 10)},
    lambda e, n: {"add_to_list": events_pb2.AddToList(entity_id=e, removed=n % 2 == 0)},
    lambda e, n: {"hide": events_pb2.Hide(entity_id=e)},
    lambda e, n: {"search": events_pb2.Search(query="q", entity_id=e if n % 2 else "")},
    lambda e, n: {"purchase": events_pb2.Purchase(entity_id=e)},
    lambda e, n: {
        "impression": events_pb2.Impression(rows=[events_pb2.SeenRow(row_id="r", entity_ids=[e])])
    },
)


@st.composite
def event_streams(draw: st.DrawFn, *, events_max: int = 40) -> list[Event]:
    """A user's events in arrival order: some late, some far too late, some sent twice."""
    events: list[Event] = []
    at_ms = START_MS
    for salt in range(draw(st.integers(0, events_max))):
        at_ms += draw(st.integers(-90, 120)) * MINUTE_MS
        action = draw(st.sampled_from(_ACTIONS))
        event = make_event(
            at_ms,
            session_id=draw(st.sampled_from(["", "s1", "s2"])),
            salt=str(salt),
            **action(draw(_ENTITIES), draw(st.integers(0, 7200))),
        )
        events.append(event)
        if draw(st.integers(0, 9)) == 0:
            events.append(draw(st.sampled_from(events)))
    return events


@st.composite
def prompts(draw: st.DrawFn, *, steps_max: int = 4) -> Prompt:
    """Prompts of few different values, so that equal ones are found, too."""
    words = st.sampled_from(["", "a", "b"])
    at_ms = START_MS + draw(st.integers(0, 3))
    steps = []
    for _ in range(draw(st.integers(0, steps_max))):
        at_ms += draw(st.sampled_from([0, 1000, 3_600_000, 86_400_000]))
        steps.append(
            Step(
                occurred_at_ms=at_ms,
                action=draw(st.sampled_from([Action.NONE, Action.CLICK, Action.COMPLETE])),
                entity_id=draw(words),
                row_id=draw(words),
                watched_ms=draw(st.sampled_from([0, 30_000, 7_200_000, 172_800_000])),
                rating=draw(st.sampled_from([None, 0.0, 2.5, 5.0])),
                events=draw(st.sampled_from([1, 2, 1000])),
                device=draw(words),
                country=draw(words),
                language=draw(words),
                surface=draw(words),
            )
        )
    profile = Profile(
        language=draw(words),
        profile_type=draw(st.integers(0, 3)),
        maturity_limit=draw(st.sampled_from([None, 0, 21])),
    )
    return Prompt(profile=profile, steps=tuple(steps), request=draw(requests(at_ms)))


@st.composite
def requests(draw: st.DrawFn, after_ms: int = START_MS) -> RequestHalf:
    words = st.sampled_from(["", "a", "b"])
    return RequestHalf(
        at_ms=after_ms + draw(st.sampled_from([0, 1, 60_000, 10**10])),
        device=draw(words),
        country=draw(words),
        language=draw(words),
        surface=draw(words),
    )
