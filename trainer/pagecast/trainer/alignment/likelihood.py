"""Log-probabilities of drawn pages in torch, under the very masks they were drawn under.

Letters: X hidden positions, M row tokens, J entity tokens, N tokens of all pages, E entities and R
rows of the catalog, A asks, I entities of a page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.trainer.alignment.asks import Ask
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.alignment.rollouts import Rollout, RolloutRow
from pagecast.trainer.batches.batch import CutPage, PackedBatch
from pagecast.trainer.batches.packer import pack
from pagecast.trainer.data.dataset import catalog_features, next_row, row_ids
from pagecast.trainer.data.users import Window
from pagecast.trainer.fitting.forward import Embedded, embed, packed_hidden
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.pages.constructed import NO_ARGUMENT, Origin, PageRow
from pagecast.trainer.pages.scored import prompt_window


@dataclass(frozen=True, kw_only=True)
class Features:
    """What a catalog is to a model, worked out once for all steps."""

    of_entities: Mapping[str, Tensor]
    row_ids_R: Tensor

    @classmethod
    def of(cls, policy: Policy) -> "Features":
        return cls(
            of_entities=catalog_features(policy.catalog, policy.vocabulary),
            row_ids_R=row_ids(policy.catalog, policy.vocabulary),
        )

    def embedded(self, model: PageModel) -> Embedded:
        """By the weights as they are now."""
        return embed(model, self.of_entities, self.row_ids_R)


def log_probabilities(
    policy: Policy, embedded: Embedded, group: Sequence[Rollout], temperature: float
) -> Tensor:
    """`log_p_N` of all tokens of a group's pages, page by page, in the order of drawing."""
    batch = packed_group(policy, group)
    hidden_XD = packed_hidden(policy.model, embedded, batch)
    is_row_N = np.concatenate([rollout.is_row_N for rollout in group])
    allowed = [mask for rollout in group for mask in rollout.allowed]
    row_M = _of_tokens(
        hidden_XD[torch.from_numpy(batch.row_from_M)],
        embedded.row_output_RD[: len(policy.catalog.rows)],
        [mask for mask, row in zip(allowed, is_row_N, strict=True) if row],
        batch.row_target_M,
        temperature,
    )
    entity_J = _of_tokens(
        hidden_XD[torch.from_numpy(batch.pages.at_J)],
        embedded.entity_output_ED,
        [mask for mask, row in zip(allowed, is_row_N, strict=True) if not row],
        batch.pages.entity_K,
        temperature,
    )
    order_N = np.concatenate([np.flatnonzero(is_row_N), np.flatnonzero(~is_row_N)])
    return torch.cat([row_M, entity_J])[torch.from_numpy(np.argsort(order_N))]


def _of_tokens(
    hidden_JD: Tensor,
    output_ED: Tensor,
    allowed: Sequence[npt.NDArray[np.uint8]],
    token_J: npt.NDArray[np.int64],
    temperature: float,
) -> Tensor:
    mask_JE = np.unpackbits(np.stack(allowed), axis=1, count=len(output_ED)).astype(np.bool_)
    logits_JE = (hidden_JD @ output_ED.T) / temperature
    masked_JE = logits_JE.masked_fill(torch.from_numpy(~mask_JE), -torch.inf)
    log_JE = functional.log_softmax(masked_JE, dim=-1)
    return log_JE.gather(1, torch.from_numpy(token_J)[:, None])[:, 0]


def packed_group(policy: Policy, group: Sequence[Rollout]) -> PackedBatch:
    """The pages of one ask behind its prompt."""
    return _packed(policy, group[0].ask, [rollout.rows for rollout in group])


def _packed(policy: Policy, ask: Ask, pages: Sequence[Sequence[RolloutRow]]) -> PackedBatch:
    window = _window(policy, ask.prompt)
    cut = int(window.cuts_C[0])
    laid_out = [
        CutPage(cut=cut, rows=[page_row(row) for row in rows], origin=Origin.LOGGED)
        for rows in pages
    ]
    return pack([window], [laid_out], ahead_decay=1.0)


def _window(policy: Policy, prompt: Prompt) -> Window:
    keep = policy.model.config.compress_keep
    return prompt_window(prompt, policy.catalog, policy.vocabulary, keep)


def page_row(row: RolloutRow) -> PageRow:
    """A row in the form in which pages are packed."""
    return PageRow(
        row=row.row,
        argument=row.argument,
        entities=row.entities,
        weights=(1.0,) * len(row.entities),
    )


def chosen_loss(policy: Policy, embedded: Embedded, ask: Ask) -> Tensor:
    """Mean negative log-likelihood, in nats, of what the member really chose, each entity alone
    behind the token of its row (a BECAUSE row without its argument); all of the catalog competes
    (docs/papers.md 2.5). `ask.chosen` must not be empty.
    """
    pages = [
        [RolloutRow(row=row, argument=NO_ARGUMENT, entities=(entity,))]
        for entity, row in ask.chosen.items()
    ]
    batch = _packed(policy, ask, pages)
    hidden_XD = packed_hidden(policy.model, embedded, batch)
    hidden_JD = hidden_XD[torch.from_numpy(batch.pages.at_J)]
    logits_JE = hidden_JD @ embedded.entity_output_ED.T
    return functional.cross_entropy(logits_JE, torch.from_numpy(batch.pages.entity_K))


@torch.no_grad()
def relevance(policy: Policy, embedded: Embedded, prompt: Prompt) -> npt.NDArray[np.float64]:
    """`lift_E`: how many times likelier than an even draw each entity is, as the next one.

    Its distribution is that after [prompt, ROW top] with the whole catalog eligible.
    """
    opened = PageRow(row=next_row(policy.catalog), argument=NO_ARGUMENT, entities=(), weights=())
    window = _window(policy, prompt)
    page = CutPage(cut=int(window.cuts_C[0]), rows=[opened], opening=True)
    batch = pack([window], [[page]], ahead_decay=1.0)
    hidden_XD = packed_hidden(policy.model, embedded, batch)
    hidden_D = hidden_XD[torch.from_numpy(batch.pages.at_J)][0]
    log_E = functional.log_softmax(embedded.entity_output_ED @ hidden_D, dim=-1)
    lift_E: npt.NDArray[np.float64] = torch.exp(log_E.double()).numpy() * len(log_E)
    return lift_E
