"""What follows a choice: a click, perhaps a play, perhaps a rating."""

from google.protobuf.duration_pb2 import Duration

from pagecast.simulator.chance import Chance
from pagecast.simulator.member import Member
from pagecast.simulator.page import Place
from pagecast.simulator.reporting import Reporter
from pagecast.simulator.watching import Watched, rating, remember_play, watch
from pagecast.simulator.world import World
from pagecast.v1 import events_pb2

MINUTE_MS = 60_000


def act(
    world: World,
    member: Member,
    place: Place,
    until_ms: int,
    reporter: Reporter,
    chance: Chance,
) -> Watched | None:
    """Reports what follows the choice of a place; None if it was not played.

    `until_ms` is when the session's time is over; `chance` is the page's.
    """
    config, entity_id, placement = world.config.watching, place.entity_id, place.placement()
    if chance.happens(config.details, "details"):
        reporter.act(events_pb2.ViewDetails(entity_id=entity_id, placement=placement))
    else:
        reporter.act(events_pb2.Click(entity_id=entity_id, placement=placement))
    if chance.happens(config.play, "play"):
        return _play(world, member, place, until_ms, reporter, chance)
    if chance.happens(config.listed, "listed"):
        reporter.act(events_pb2.AddToList(entity_id=entity_id, placement=placement))
    return None


def _play(
    world: World,
    member: Member,
    place: Place,
    until_ms: int,
    reporter: Reporter,
    chance: Chance,
) -> Watched:
    entity_id, placement = place.entity_id, place.placement()
    kind = events_pb2.PLAY_KIND_FEATURE
    reporter.act(events_pb2.Play(entity_id=entity_id, kind=kind, placement=placement))
    minutes_left = (until_ms - reporter.now_ms) / MINUTE_MS
    watched = watch(world, member, entity_id, minutes_left, chance)
    reporter.pass_time(round(watched.minutes * MINUTE_MS))
    reporter.act(
        events_pb2.Stop(
            entity_id=entity_id,
            watched=_minutes(watched.minutes),
            resume_position=_minutes(watched.resume_minutes),
            completed=watched.completed,
        )
    )
    if chance.happens(world.config.watching.rate, "rate"):
        points = rating(world, watched, chance)
        reporter.act(events_pb2.Rate(entity_id=entity_id, rating=points, placement=placement))
    remember_play(world, member, entity_id, watched, reporter.now_ms)
    return watched


def _minutes(minutes: float) -> Duration:
    span = Duration()
    span.FromMilliseconds(round(minutes * MINUTE_MS))
    return span
