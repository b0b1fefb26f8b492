"""Predicates over entity attributes, evaluated for many entities at once.

Letters in names: N entities, X (entity, number) pairs of one attribute.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.catalog.snapshot import CatalogEntity
from pagecast.v1 import catalog_pb2

Mask: TypeAlias = npt.NDArray[np.bool_]
Indices: TypeAlias = npt.NDArray[np.int64]

_DECIMAL = re.compile(r"-?[0-9]+([.][0-9]+)?")
"""What the protos accept as a number in an ordered comparison."""

_KIND_NAMES = {
    value.number: value.name.removeprefix("ENTITY_KIND_").lower()
    for value in catalog_pb2.EntityKind.DESCRIPTOR.values
}


class AttributeColumns:
    """The attributes of N entities, turned into columns when a predicate first asks for them.

    An attribute is a list of texts per entity (none, one, or several). IN holds if one of them is
    among the values; an ordered comparison holds if it does for one of them that is a decimal
    number. So no comparison holds for an attribute that an entity does not have.
    """

    def __init__(self, entities: Sequence[CatalogEntity]) -> None:
        self._entities = entities
        self._positions: dict[str, dict[str, Indices]] = {}
        self._numbers: dict[str, tuple[Indices, npt.NDArray[np.float64]]] = {}

    def having(self, attribute: str, values: Sequence[str]) -> Mask:
        """Which entities have one of `values` as (one of) their `attribute`."""
        holds_N = np.zeros(len(self._entities), bool)
        positions = self._positions_of(attribute)
        for value in values:
            if value in positions:
                holds_N[positions[value]] = True
        return holds_N

    def at_least(self, attribute: str, bound: float) -> Mask:
        positions_X, numbers_X = self._numbers_of(attribute)
        return self._mask(positions_X[numbers_X >= bound])

    def below(self, attribute: str, bound: float) -> Mask:
        positions_X, numbers_X = self._numbers_of(attribute)
        return self._mask(positions_X[numbers_X < bound])

    def constant(self, value: bool) -> Mask:
        return np.full(len(self._entities), value)

    def _mask(self, positions: Indices) -> Mask:
        holds_N = np.zeros(len(self._entities), bool)
        holds_N[positions] = True
        return holds_N

    def _positions_of(self, attribute: str) -> dict[str, Indices]:
        if attribute not in self._positions:
            self._positions[attribute] = positions_by_name(
                (text, position)
                for position, entity in enumerate(self._entities)
                for text in _texts(entity, attribute)
            )
        return self._positions[attribute]

    def _numbers_of(self, attribute: str) -> tuple[Indices, npt.NDArray[np.float64]]:
        if attribute not in self._numbers:
            pairs = [
                (position, float(text))
                for position, entity in enumerate(self._entities)
                for text in _texts(entity, attribute)
                if _DECIMAL.fullmatch(text)
            ]
            self._numbers[attribute] = (
                np.array([position for position, _ in pairs], np.int64),
                np.array([number for _, number in pairs], np.float64),
            )
        return self._numbers[attribute]


def evaluate(predicate: catalog_pb2.Predicate, columns: AttributeColumns) -> Mask:
    """For which entities of `columns` the predicate holds, as a new bool array [N].

    What the protos' own rules refuse, such as a node that is not set, holds for none.
    """
    match predicate.WhichOneof("node"):
        case "all":
            operands = [evaluate(item, columns) for item in predicate.all.items]
            return np.logical_and.reduce(operands) if operands else columns.constant(False)
        case "any":
            operands = [evaluate(item, columns) for item in predicate.any.items]
            return np.logical_or.reduce(operands) if operands else columns.constant(False)
        case "not":
            return ~evaluate(getattr(predicate, "not"), columns)
        case "compare":
            return _compare(predicate.compare, columns)
        case "everything":
            return columns.constant(predicate.everything)
        case _:
            return columns.constant(False)


def positions_by_name(pairs: Iterable[tuple[str, int]]) -> dict[str, Indices]:
    """Groups (name, position) pairs: an array of positions, in the order given, per name."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for name, position in pairs:
        found[name].append(position)
    return {name: np.array(positions, np.int64) for name, positions in found.items()}


def _compare(compare: catalog_pb2.Compare, columns: AttributeColumns) -> Mask:
    if compare.comparison == catalog_pb2.COMPARISON_IN:
        return columns.having(compare.attribute, compare.values)
    if len(compare.values) != 1 or not _DECIMAL.fullmatch(compare.values[0]):
        return columns.constant(False)
    bound = float(compare.values[0])
    if compare.comparison == catalog_pb2.COMPARISON_GREATER_OR_EQUAL:
        return columns.at_least(compare.attribute, bound)
    if compare.comparison == catalog_pb2.COMPARISON_LESS:
        return columns.below(compare.attribute, bound)
    return columns.constant(False)


def _texts(entity: CatalogEntity, attribute: str) -> tuple[str, ...]:
    match attribute:
        case "kind":
            return (_KIND_NAMES.get(entity.kind, ""),)
        case "genre":
            return entity.genres
        case "language":
            return entity.languages
        case "country":
            return entity.countries
        case "maturity":
            return (str(entity.maturity),)
        case "released_at_ms":
            return () if entity.released_at_ms is None else (str(entity.released_at_ms),)
        case "entity_id":
            return (entity.entity_id,)
        case _:
            text = entity.attributes.get(attribute.removeprefix("attributes."))
            return () if text is None else (text,)
