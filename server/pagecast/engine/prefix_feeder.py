"""Feeds a history to a model before anybody asks for a page by it, and keeps the keys and values.

Letters in names: U positions of the prompt that do not depend on the request, D width.
"""

from collections.abc import Callable
from weakref import WeakKeyDictionary

from pagecast.engine.bundle import Bundle
from pagecast.engine.model import Model
from pagecast.engine.page_job import made_from
from pagecast.engine.prefix_cache import PREFIX_POSITIONS_MIN, Prefix, PrefixCache
from pagecast.engine.prompt_tokens import cacheable_positions, encode, tokens_of
from pagecast.engine.slot_decoder import CHUNK_MAX, SlotDecoder
from pagecast.featurestore.prompt import Prompt


class PrefixFeeder:
    """Has a slot of its own for each bundle: pages wait for nothing here. Owned by one thread."""

    def __init__(self, prefixes: PrefixCache) -> None:
        self._prefixes = prefixes
        self._decoders: WeakKeyDictionary[Bundle, SlotDecoder] = WeakKeyDictionary()

    def feed(
        self,
        model: Model,
        user_id: str,
        prompt: Prompt,
        beside: str,
        stopped: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Whether the history is kept for the model now, and was not before.

        It is kept only if that for version `beside` still is: who was forgotten meanwhile stays
        forgotten. `stopped` is asked before every chunk. Raises EngineError if the model was not
        made for the prompt.
        """
        key, beside_key = (user_id, model.version), (user_id, beside)
        if self._prefixes.keeps(key) or not self._prefixes.keeps(beside_key):
            return False
        encoded = encode(model, prompt)
        cacheable = cacheable_positions(model, encoded)
        if cacheable < PREFIX_POSITIONS_MIN:
            return False
        tokens_UD = tokens_of(model, encoded)[:cacheable]
        decoder = self._decoder(model.bundle)
        decoder.slots.begin(0)
        for start in range(0, cacheable, CHUNK_MAX):
            if stopped():
                return False
            decoder.chunk(0, tokens_UD[start : start + CHUNK_MAX])
        caches_YHPK = decoder.slots.prefix(0, cacheable)
        prefix = Prefix(made_from=made_from(model, encoded), caches_YHPK=caches_YHPK)
        return self._prefixes.keep_beside(key, prefix, beside_key)

    def _decoder(self, bundle: Bundle) -> SlotDecoder:
        decoder = self._decoders.get(bundle)
        if decoder is None:
            decoder = bundle.decoder(slots=1)
            self._decoders[bundle] = decoder
        return decoder
