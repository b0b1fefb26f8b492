"""How a page is decoded, from what its request or its record says."""

from pagecast.engine.decode_options import DecodeOptions
from pagecast.v1 import events_pb2


def decode_options(
    exact_entities: int, seed: int, sampling: events_pb2.Sampling | None, shortlist: int = 0
) -> DecodeOptions:
    """`sampling` None takes the best of each; its defaults are filled in."""
    if sampling is None:
        return DecodeOptions(exact_entities=exact_entities, seed=seed, shortlist=shortlist)
    return DecodeOptions(
        exact_entities=exact_entities,
        seed=seed,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        shortlist=shortlist,
    )
