"""A bundle bound to a catalog snapshot: all that decoding a page needs.

Letters in names: R rows of the snapshot, D width.
"""

from collections.abc import Sequence

import numpy as np

from pagecast.engine.bundles.bundle import Bundle
from pagecast.engine.graph import FloatArray
from pagecast.engine.vectors.embeddings import EntityTable
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.rules.page_state import NO_ARGUMENT


class Model:
    """A model for one catalog number. Never changes, so any number of pages may share it.

    A newer snapshot needs a newer model, `Model(bundle, snapshot, older=model)`: cheap, since only
    what changed is embedded; an `older` model of another bundle is ignored. Rows that are not in
    the vocabulary have the fallback's embedding.
    """

    def __init__(
        self, bundle: Bundle, snapshot: CatalogSnapshot, older: "Model | None" = None
    ) -> None:
        """Raises EngineError if the entity tower fails."""
        same = older if older is not None and older.bundle is bundle else None
        row_ids = [bundle.vocabulary.row_ids.get(row.row_id, 0) for row in snapshot.rows]
        rows = np.array(row_ids, np.int64)
        self.bundle: Bundle = bundle
        self.snapshot: CatalogSnapshot = snapshot
        self.row_input_RD: FloatArray = bundle.row_input_RD[rows]
        self.row_output_RD: FloatArray = bundle.row_output_RD[rows]
        self.entities: EntityTable = EntityTable(bundle, snapshot, same.entities if same else None)

    @property
    def version(self) -> str:
        return self.bundle.version

    def entity_tokens(self, entities: Sequence[int]) -> FloatArray:
        """What a page is fed for its entities, [S, D]: one token each, or those of each ID."""
        indices, named = np.array(entities, np.int64), self.entities.named
        if named is None or self.bundle.spelling is None:
            tokens_SD: FloatArray = self.entities.input_ND[indices]
            return tokens_SD
        return self.bundle.spelling.spelled(named.token_NL[indices])

    def row_token(self, row: int, argument: int, request_D: FloatArray) -> FloatArray:
        """The token [D] of a row on a page: the row, its argument, and the page's request.

        `request_D` is the last token of the page's prompt.
        """
        token_D: FloatArray = self.row_input_RD[row] + request_D
        if argument != NO_ARGUMENT:
            token_D = token_D + self.entities.input_ND[argument]
        return token_D
