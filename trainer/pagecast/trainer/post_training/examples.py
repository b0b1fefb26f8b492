"""Draws the batches of post-training: pages of which it is known, or supposed, what they are worth.

Logged pages are everything that was impressed, in layout order. Of users without any, only
interactions are known: what they chose next is positive, and negatives are drawn.
"""

import dataclasses

import numpy as np

from pagecast.trainer.batches.batch import CutPage
from pagecast.trainer.batches.drawing import Drawing
from pagecast.trainer.batches.examples import Examples
from pagecast.trainer.data.users import Window
from pagecast.trainer.pages.constructed import Origin
from pagecast.trainer.pages.imitation import as_laid_out
from pagecast.trainer.post_training.values import Values


class PostExamples(Drawing):
    """Made from pretraining's examples, and of the same data."""

    def __init__(self, base: Examples) -> None:
        users, catalog = base.data.users, base.data.catalog
        of_users = [
            window
            for window in base.windows
            if base.logged.page_of(window) is None
            and base.logged.constructs(users[window.user].user_id)
        ]
        self._values = Values(
            entities=len(catalog.entities), rows=len(catalog.rows), config=base.config.post
        )
        super().__init__(
            base.data,
            base.builder,
            base.config,
            logged=base.logged,
            windows=[*of_users, *base.logged.impressed],
            history={},
        )

    def _pages_of(self, window: Window, rng: np.random.Generator) -> list[CutPage]:
        scored = self.logged.page_of(window)
        if scored is None:
            return [
                dataclasses.replace(page, values=self._values.of_constructed(page.rows, rng))
                for page in self._constructed(window, rng)
            ]
        presentation = self.logged.presentation
        return [
            CutPage(
                cut=int(window.cuts_C[0]),
                rows=[as_laid_out(row, presentation) for row in scored.rows],
                origin=Origin.LOGGED,
                values=self._values.of_logged(scored, presentation, rng),
            )
        ]
