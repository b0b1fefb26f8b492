"""Whether a row's predicate holds for an entity: read node by node, without the masks' columns."""

from decimal import Decimal, InvalidOperation

from pagecast.featurestore.catalog.snapshot import CatalogEntity
from pagecast.v1 import catalog_pb2

KINDS = {1: "movie", 2: "show", 3: "game", 4: "live_event"}


def predicate_holds(predicate: catalog_pb2.Predicate, entity: CatalogEntity) -> bool:
    """As `catalog.proto` says what a predicate means."""
    node = predicate.WhichOneof("node")
    if node == "all":
        return all(predicate_holds(item, entity) for item in predicate.all.items)
    if node == "any":
        return any(predicate_holds(item, entity) for item in predicate.any.items)
    if node == "not":
        return not predicate_holds(getattr(predicate, "not"), entity)
    if node == "everything":
        return True
    return _compare_holds(predicate.compare, entity)


def _compare_holds(compare: catalog_pb2.Compare, entity: CatalogEntity) -> bool:
    texts = _texts(compare.attribute, entity)
    if compare.comparison == catalog_pb2.COMPARISON_IN:
        return any(text in compare.values for text in texts)
    bound = Decimal(compare.values[0])
    numbers = [number for number in map(_as_number, texts) if number is not None]
    if compare.comparison == catalog_pb2.COMPARISON_LESS:
        return any(number < bound for number in numbers)
    return any(number >= bound for number in numbers)


def _texts(attribute: str, entity: CatalogEntity) -> list[str]:
    released = entity.released_at_ms
    plain = {
        "kind": [KINDS[entity.kind]],
        "genre": list(entity.genres),
        "language": list(entity.languages),
        "country": list(entity.countries),
        "maturity": [str(entity.maturity)],
        "released_at_ms": [] if released is None else [str(released)],
        "entity_id": [entity.entity_id],
    }
    if attribute in plain:
        return plain[attribute]
    name = attribute.split(".", 1)[1]
    return [entity.attributes[name]] if name in entity.attributes else []


def _as_number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
