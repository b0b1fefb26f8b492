"""Feeds a history to a model before anybody asks for a page by it, and keeps the keys and values.

Letters in names: U positions of the prompt that do not depend on the request, D width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from pagecast.engine.batching.page_job import made_from
from pagecast.engine.batching.prefix_cache import (
    PREFIX_POSITIONS_MIN,
    MadeFrom,
    Prefix,
    PrefixCache,
    PrefixKey,
)
from pagecast.engine.batching.prompt_tokens import cacheable_positions, encode, tokens_of
from pagecast.engine.batching.slot_decoder import CHUNK_MAX, SlotDecoder
from pagecast.engine.bundles.bundle import Bundle
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.featurestore.prompt.prompt import Prompt


@dataclass(frozen=True, kw_only=True, eq=False)
class PrefixJob:
    """A history to be fed and kept under `key`, if something is still kept under `beside`."""

    bundle: Bundle
    key: PrefixKey
    beside: PrefixKey
    tokens_UD: FloatArray
    made_from: MadeFrom


def prepare_prefix(
    model: Model, user_id: str, prompt: Prompt, beside: str, prefixes: PrefixCache
) -> PrefixJob | None:
    """In any thread; takes a millisecond or two. None if the history is already kept for the model,
    or not for version `beside`, or is too short to keep.

    Raises EngineError if the model was not made for the prompt.
    """
    key, beside_key = (user_id, model.version), (user_id, beside)
    if prefixes.keeps(key) or not prefixes.keeps(beside_key):
        return None
    encoded = encode(model, prompt)
    cacheable = cacheable_positions(model, encoded)
    if cacheable < PREFIX_POSITIONS_MIN:
        return None
    return PrefixJob(
        bundle=model.bundle,
        key=key,
        beside=beside_key,
        tokens_UD=tokens_of(model, encoded)[:cacheable],
        made_from=made_from(model, encoded),
    )


class PrefixFeeder:
    """Has a slot of its own for each bundle: pages wait for nothing here. Owned by one thread."""

    def __init__(self, prefixes: PrefixCache) -> None:
        self._prefixes = prefixes
        self._decoders: WeakKeyDictionary[Bundle, SlotDecoder] = WeakKeyDictionary()

    def feed(self, job: PrefixJob, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Whether the history is kept now, and was not before.

        It is kept only beside the other one: a user forgotten meanwhile stays forgotten. `stopped`
        is asked before every chunk. Raises EngineError if the graph fails.
        """
        decoder, positions = self._decoder(job.bundle), len(job.tokens_UD)
        decoder.slots.begin(0)
        for start in range(0, positions, CHUNK_MAX):
            if stopped():
                return False
            decoder.chunk(0, job.tokens_UD[start : start + CHUNK_MAX])
        caches_YHPK = decoder.slots.prefix(0, positions)
        prefix = Prefix(made_from=job.made_from, caches_YHPK=caches_YHPK)
        return self._prefixes.keep_beside(job.key, prefix, job.beside)

    def _decoder(self, bundle: Bundle) -> SlotDecoder:
        decoder = self._decoders.get(bundle)
        if decoder is None:
            decoder = bundle.decoder(slots=1)
            self._decoders[bundle] = decoder
        return decoder
