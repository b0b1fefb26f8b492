"""Runs the decode graph over the slots of one model: a step of many pages, or a chunk of one.

Letters in names: B pages of a batch, S new tokens of one page, D width, O width of hidden states.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from pagecast.engine.batching.kv_slots import KvSlots
from pagecast.engine.bundles.manifest import ModelShape
from pagecast.engine.graph import Binding, FloatArray, Graph

CHUNK_MAX = 64
"""Tokens of one page fed by one run. A longer prompt takes several, and pages that are being
decoded take their steps in between; shorter chunks would pay a run's fixed cost more often."""

MANY_TOKENS_MIN = 8
"""Runs of at least this many tokens go to the graph for many: with fewer it is no cheaper
(docs/adr/0023)."""


class SlotDecoder:
    """Owned by one thread. `slots.filled_N` says what has been fed.

    The graph for runs of `many` tokens takes the same inputs and writes the same caches.

    With `gives_states`, for which the bundle must have heads, `state_D` is the decoder's own state
    after the newest token of a chunk: what the output head makes hidden states of.
    """

    def __init__(
        self,
        graph: Graph,
        shape: ModelShape,
        slots: int,
        *,
        many: Graph | None = None,
        gives_states: bool = False,
    ) -> None:
        self.slots = KvSlots(shape, slots)
        self._few, self._many = graph, many or graph
        self._tokens = np.zeros((max(slots, CHUNK_MAX), shape.d_model), np.float32)
        self._hidden = np.zeros((len(self._tokens), shape.output_dim), np.float32)
        self._states = np.zeros_like(self._tokens) if gives_states else None
        self.state_D: FloatArray | None = None
        self._last_N = np.zeros(slots, np.int32)
        self._total = np.zeros((), np.int32)
        self._steps: dict[tuple[int, int], Binding] = {}
        self._chunks: dict[tuple[int, Graph], Binding] = {}

    def step(self, slots: Sequence[int], tokens_BD: Iterable[FloatArray]) -> FloatArray:
        """Feeds one token [D] each to the pages in these slots, which ascend.

        One run covers all slots from the first to the last. What it computes for others in between
        is wasted but harmless: it is written after what such a slot holds, where the slot's next
        token goes. Returns the hidden states [B, O]. Raises EngineError; then nothing was fed.
        """
        first, span = slots[0], slots[-1] - slots[0] + 1
        for slot, token_D in zip(slots, tokens_BD, strict=True):
            self.slots.check_room(slot, 1)
            self._tokens[slot - first] = token_D
        last_B = self._last_N[first : first + span]
        np.minimum(
            self.slots.filled_N[first : first + span], self.slots.positions_max - 1, out=last_B
        )
        self._total.fill(last_B.max() + 1)
        graph, binding = self._graph_of(span), self._steps.get((first, span))
        if binding is None:
            binding = self._steps[first, span] = self._bind(graph, first, span)
            self._bind_tokens(binding, span, 1)
        graph.run_bound(binding)
        for slot in slots:
            self.slots.filled_N[slot] += 1
        hidden_BO: FloatArray = self._hidden.take([slot - first for slot in slots], axis=0)
        return hidden_BO

    def chunk(self, slot: int, tokens_SD: FloatArray) -> FloatArray:
        """Feeds at most CHUNK_MAX tokens to the page in one slot.

        Returns the hidden states [S, O] after each. Raises EngineError; then nothing was fed.
        """
        new = len(tokens_SD)
        self.slots.check_room(slot, new)
        self._tokens[:new] = tokens_SD
        self._last_N[slot] = self.slots.filled_N[slot] + new - 1
        self._total[...] = self._last_N[slot] + 1
        graph = self._graph_of(new)
        binding = self._chunks.get((slot, graph))
        if binding is None:
            binding = self._chunks[slot, graph] = self._bind(graph, slot, 1)
        self._bind_tokens(binding, 1, new)
        graph.run_bound(binding)
        self.slots.filled_N[slot] += new
        if self._states is not None:
            self.state_D = self._states[new - 1].copy()
        return self._hidden[:new].copy()

    def feed(self, slot: int, tokens_SD: FloatArray) -> FloatArray:
        """Feeds any number of tokens to one page; returns the hidden states [S, O] after each."""
        parts = [
            self.chunk(slot, tokens_SD[start : start + CHUNK_MAX])
            for start in range(0, len(tokens_SD), CHUNK_MAX)
        ]
        return np.concatenate(parts)

    def take_back(self, slot: int, tokens: int) -> None:
        """Undoes the feeding of the newest tokens of a page."""
        self.slots.filled_N[slot] -= tokens

    def _graph_of(self, tokens: int) -> Graph:
        """The graph for a run of `tokens` tokens, of one page or of several."""
        return self._many if tokens >= MANY_TOKENS_MIN else self._few

    def _bind(self, graph: Graph, first: int, pages: int) -> Binding:
        """Binds what stays the same for these slots: 79 us for 24 caches, so bindings are kept."""
        binding = graph.binding()
        batch = slice(first, first + pages)
        binding.take("last_B", self._last_N[batch])
        binding.take("total", self._total)
        for name, cache in self.slots.caches.items():
            binding.take(name, cache[batch])
            binding.give(f"new_{name}", cache[batch])
        return binding

    def _bind_tokens(self, binding: Binding, pages: int, new: int) -> None:
        tokens = pages * new
        binding.take("tokens_BSD", self._tokens[:tokens].reshape(pages, new, -1))
        binding.give("hidden_BSD", self._hidden[:tokens].reshape(pages, new, -1))
        if self._states is not None:
            binding.give("state_BSD", self._states[:tokens].reshape(pages, new, -1))
