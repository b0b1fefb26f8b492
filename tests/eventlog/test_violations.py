"""How a broken rule is reported: by path and, for an enum, with the possible names."""

from typing import Any

import pytest
from factories import play
from google.protobuf.message import Message
from protovalidate import Validator

from pagecast.eventlog.violations import field_of, told
from pagecast.v1 import catalog_pb2, events_pb2, homepage_pb2, training_pb2

VALIDATOR = Validator()


def told_of(message: Message) -> dict[str, str]:
    found: list[Any] = [violation.proto for violation in VALIDATOR.collect_violations(message)]
    return {field_of(violation): told(violation, message) for violation in found}


def playing(kind: int) -> events_pb2.InteractionEvent:
    event = play("ann", "heat")
    event.play.kind = kind  # type: ignore[assignment]
    return event


@pytest.mark.parametrize("kind", [0, 9])
def test_of_an_enum_the_names_are_told_for_one_unset_and_one_unknown(kind: int) -> None:
    text = told_of(playing(kind))["play.kind"]
    assert text.startswith("must be one of PLAY_KIND_TRAILER, ")
    assert "UNSPECIFIED" not in text


def test_of_enums_in_lists_too() -> None:
    request = training_pb2.ListTrainingsRequest(states=[training_pb2.TRAINING_STATE_WAITING, 0])
    assert "TRAINING_STATE_WAITING" in told_of(request)["states[1]"]


def test_other_rules_speak_for_themselves() -> None:
    request = homepage_pb2.StreamHomepageRequest(user_id="ann", rows=41)
    assert "40" in told_of(request)["rows"]


def test_a_key_of_a_map_and_a_oneof_are_named() -> None:
    entity = catalog_pb2.Entity(
        entity_id="heat",
        kind=catalog_pb2.ENTITY_KIND_MOVIE,
        title="Heat",
        attributes={"studio": "x" * 10_000},
    )
    assert list(told_of(entity)) == ["attributes[studio]"]
    assert set(told_of(catalog_pb2.CatalogChange())) == {"change", "occurred_at"}
