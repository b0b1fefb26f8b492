"""How a page is decoded, according to its request or its record."""

from pagecast.engine.decode_options import DecodeOptions
from pagecast.server.page.request import PageRequest
from pagecast.v1 import events_pb2


def decode_options(page: PageRequest | events_pb2.PageServed) -> DecodeOptions:
    """Without a `sampling` the best token is taken each time."""
    sampling = page.sampling or events_pb2.Sampling()
    return DecodeOptions(
        exact_entities=page.exact_entities,
        exact_entities_by_row=tuple(page.exact_entities_by_row),
        seed=page.seed,
        temperature=sampling.temperature,
        top_p=sampling.top_p or 1.0,
        shortlist=page.shortlist,
    )
