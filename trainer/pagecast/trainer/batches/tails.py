"""What a prompt says behind its history, for pages packed behind one history.

Letters: C positions of a tail, F fields.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.context import inject
from pagecast.featurestore.prompt.context_encoding import encode_context
from pagecast.featurestore.prompt.vocabulary import FIELDS, Vocabulary
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.data.users import Window


@dataclass(frozen=True, kw_only=True, eq=False)
class Tail:
    """A request's context and, behind it, the request's position once more.

    `entity_C` holds catalog indices, -1 for none. Without a context it is empty: the request's
    position in the history is enough.
    """

    entity_C: npt.NDArray[np.int64]
    fields_CF: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.entity_C)


NO_TAIL = Tail(entity_C=np.zeros(0, np.int64), fields_CF=np.zeros((0, len(FIELDS)), np.int64))


@dataclass(frozen=True, kw_only=True)
class Tails:
    """Makes the tails of requests, by the code that encodes a prompt."""

    catalog: CatalogSnapshot
    vocabulary: Vocabulary

    def of(self, user: UserSteps, window: Window, cut: int) -> Tail:
        """The tail of the request at the time of step `window.first + cut`."""
        step = user.steps[window.first + cut]
        at_ms = step.occurred_at_ms
        config = self.vocabulary.context
        injected = inject(self.catalog, at_ms=at_ms, country=step.country, config=config)
        context = encode_context(window.summary, injected, at_ms, self.vocabulary)
        if not context.entity_ids:
            return NO_TAIL
        index, request = self.catalog.entity_index, window.request(cut)
        entities = [index.get(entity, -1) for entity in context.entity_ids]
        return Tail(
            entity_C=np.array([*entities, window.entity_T[request]], np.int64),
            fields_CF=np.concatenate([context.fields_CF, window.fields_TF[request : request + 1]]),
        )
