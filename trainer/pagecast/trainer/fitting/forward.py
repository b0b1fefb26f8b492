"""A packed batch through the model: hidden positions, and how far they are from their targets.

Letters: B windows, L positions, T positions of history, D width, E entities of the catalog,
R rows of the catalog, J and M hidden positions that predict an entity or a row, K targets of J.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from pagecast.trainer.batches.batch import NOTHING, PackedBatch
from pagecast.trainer.batches.competition import out_of_competition
from pagecast.trainer.batches.targets import Targets
from pagecast.trainer.config import ObjectiveConfig
from pagecast.trainer.fitting.auxiliary import Labels, auxiliary_losses
from pagecast.trainer.network.model import PageModel


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Everything a page may hold, embedded once for a batch.

    `entity_offset_E` is added to entities' logits (`sampling.Narrowed`); none if all compete.
    `token_EL` are entities' semantic IDs, if the model spells them; then they have no outputs.
    """

    entity_input_ED: Tensor
    entity_output_ED: Tensor
    row_input_RD: Tensor
    row_output_RD: Tensor
    entity_offset_E: Tensor | None = None
    token_EL: npt.NDArray[np.int64] | None = None


def embed(
    model: PageModel,
    features: Mapping[str, Tensor],
    row_ids_R: Tensor,
    entity_offset_E: Tensor | None = None,
) -> Embedded:
    """Embeds a catalog; `row_ids_R` are its rows' ids in the vocabulary (0: the fallback)."""
    input_ED, output_ED = model.embed_entities(features)
    return Embedded(
        entity_input_ED=input_ED,
        entity_output_ED=output_ED,
        row_input_RD=model.row_input_RD[row_ids_R],
        row_output_RD=model.row_output_RD[row_ids_R],
        entity_offset_E=entity_offset_E,
        token_EL=features["token_EL"].numpy() if model.config.semantic else None,
    )


def packed_hidden(
    model: PageModel, embedded: Embedded, batch: PackedBatch, *, step_dropout: float = 0.0
) -> Tensor:
    """Returns the hidden state of every position, flattened: `hidden_XD` with X = B * L.

    It is what the graphs give out: to be multiplied with output embeddings. `step_dropout` is the
    share of a history's positions that no other position sees.
    """
    decoded_XD = packed_decoded(model, embedded, batch, step_dropout=step_dropout)
    hidden_XD: Tensor = model.head(decoded_XD)
    return hidden_XD


def packed_decoded(
    model: PageModel, embedded: Embedded, batch: PackedBatch, *, step_dropout: float = 0.0
) -> Tensor:
    """The same before the output head: what the decoder says."""
    tokens_BLD = packed_tokens(model, embedded, batch)
    tokens_BLD = model.dropout(tokens_BLD)
    mask_BLL = torch.from_numpy(batch.mask_BLL)
    if step_dropout:
        history = batch.fields_BTF.shape[1]
        mask_BLL = mask_BLL & _kept(len(mask_BLL), mask_BLL.shape[1], history, step_dropout)
    hidden_BLD = model.decoder.packed(tokens_BLD, torch.from_numpy(batch.position_BL), mask_BLL)
    return hidden_BLD.flatten(0, 1)


def packed_tokens(model: PageModel, embedded: Embedded, batch: PackedBatch) -> Tensor:
    """What the decoder is fed, `tokens_BLD`, before dropout."""
    entity_BLD = look_up(embedded.entity_input_ED, torch.from_numpy(batch.entity_BL))
    row_BLD = look_up(embedded.row_input_RD, torch.from_numpy(batch.row_BL))
    history = batch.fields_BTF.shape[1]
    fields_BTF = torch.from_numpy(batch.fields_BTF)
    steps_BTD = model.embed_steps(entity_BLD[:, :history], fields_BTF)
    pages_BUD = entity_BLD[:, history:] + row_BLD[:, history:]
    tokens_BLD = torch.cat([steps_BTD, pages_BUD], dim=1)
    if len(batch.old_at_G):
        tokens_BLD = _with_groups(model, embedded, tokens_BLD, batch)
    if len(batch.tail_at_X):
        tokens_BLD = _with_fields(model, tokens_BLD, batch)
    if batch.code_BL is not None:
        code_CD = model.tower.codes.input.weight
        tokens_BLD = tokens_BLD + look_up(code_CD, torch.from_numpy(batch.code_BL))
    return _with_requests(tokens_BLD, batch)


def _with_groups(
    model: PageModel, embedded: Embedded, tokens_BLD: Tensor, batch: PackedBatch
) -> Tensor:
    """Puts groups of old steps in their places."""
    entity_GMD = look_up(embedded.entity_input_ED, torch.from_numpy(batch.old_entity_GM))
    merged_GD = model.embed_old(entity_GMD, torch.from_numpy(batch.old_fields_GMF))
    tokens_XD = tokens_BLD.flatten(0, 1).index_copy(0, torch.from_numpy(batch.old_at_G), merged_GD)
    return tokens_XD.view_as(tokens_BLD)


def _with_fields(model: PageModel, tokens_BLD: Tensor, batch: PackedBatch) -> Tensor:
    """Adds the fields of contexts and of the requests behind them."""
    fields_XD = model.embed_fields(torch.from_numpy(batch.tail_fields_XF))
    tokens_XD = tokens_BLD.flatten(0, 1).index_add(0, torch.from_numpy(batch.tail_at_X), fields_XD)
    return tokens_XD.view_as(tokens_BLD)


def _with_requests(tokens_BLD: Tensor, batch: PackedBatch) -> Tensor:
    """Adds the page's request to each row's token on a page (docs/model.md)."""
    tokens_XD, length = tokens_BLD.flatten(0, 1), tokens_BLD.shape[1]
    row_R = np.flatnonzero(batch.row_BL != NOTHING)
    request_R = row_R // length * length + batch.request_BL.flatten()[row_R]
    request_RD = tokens_XD[torch.from_numpy(request_R)]
    return tokens_XD.index_add(0, torch.from_numpy(row_R), request_RD).view_as(tokens_BLD)


def _kept(batch: int, length: int, history: int, step_dropout: float) -> Tensor:
    """`kept_BLL`: which positions are still seen; the profile always is, and each by itself."""
    seen_BL = torch.ones(batch, length, dtype=torch.bool)
    seen_BL[:, 1:history] = torch.rand(batch, history - 1) >= step_dropout
    return seen_BL[:, None] | torch.eye(length, dtype=torch.bool)


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Engagement-weighted mean negative log-likelihoods, in nats; 0 where there is no target.

    Rows compete with rows and entities with entities, as under the server's grammar.
    """

    history: Tensor
    pages: Tensor
    rows: Tensor
    genres: Tensor
    languages: Tensor

    def total(self, objective: ObjectiveConfig) -> Tensor:
        return (
            objective.history * self.history
            + objective.pages * self.pages
            + objective.rows * self.rows
            + objective.genres * self.genres
            + objective.languages * self.languages
        )

    def scaled(self, share: Mapping[str, float]) -> "Losses":
        """Each loss times what `share` has under its name."""
        return Losses(**{f.name: getattr(self, f.name) * share[f.name] for f in fields(self)})


def target_weights(batch: PackedBatch | None) -> dict[str, float]:
    """What each of a batch's losses is divided by, under its name in `Losses`; 0 without target."""
    if batch is None:
        return {field.name: 0.0 for field in fields(Losses)}
    history = float(batch.history.weight_K.sum())
    return {
        "history": history,
        "pages": float(batch.pages.weight_K.sum()),
        "rows": float(batch.row_weight_M.sum()),
        "genres": history,
        "languages": history,
    }


def losses(
    model: PageModel,
    embedded: Embedded,
    batch: PackedBatch,
    *,
    labels: Labels | None = None,
    step_dropout: float = 0.0,
    seen_compete: bool = True,
) -> Losses:
    """How far the model is from a batch's targets; without `labels`, genres and languages are 0.

    Unless `seen_compete`, what a position has seen does not compete there (`competition`).
    """
    decoded_XD = packed_decoded(model, embedded, batch, step_dropout=step_dropout)
    hidden_XD = model.head(decoded_XD)
    genres, languages = auxiliary_losses(model.head, decoded_XD, batch.history, labels)

    def entity_loss(targets: Targets) -> Tensor:
        if seen_compete:
            return _entity_loss(hidden_XD, embedded, targets, None)
        out_JE = out_of_competition(batch, targets, len(embedded.entity_output_ED))
        return _entity_loss(hidden_XD, embedded, targets, torch.from_numpy(out_JE))

    return Losses(
        history=entity_loss(batch.history),
        pages=entity_loss(batch.pages),
        rows=row_loss(hidden_XD, embedded, batch),
        genres=genres,
        languages=languages,
    )


def row_loss(hidden_XD: Tensor, embedded: Embedded, batch: PackedBatch) -> Tensor:
    """The loss of a batch's rows."""
    row_MD = hidden_XD[torch.from_numpy(batch.row_from_M)]
    log_MR = functional.log_softmax(row_MD @ embedded.row_output_RD.T, dim=-1)
    chosen_M = log_MR.gather(1, torch.from_numpy(batch.row_target_M)[:, None])[:, 0]
    return _weighted_mean(-chosen_M, torch.from_numpy(batch.row_weight_M))


def _entity_loss(
    hidden_XD: Tensor, embedded: Embedded, targets: Targets, out_JE: Tensor | None
) -> Tensor:
    hidden_JD = hidden_XD[torch.from_numpy(targets.at_J)]
    logits_JE = hidden_JD @ embedded.entity_output_ED.T
    if embedded.entity_offset_E is not None:
        logits_JE = logits_JE + embedded.entity_offset_E
    if out_JE is not None:
        logits_JE.masked_fill_(out_JE, -torch.inf)
    log_JE = functional.log_softmax(logits_JE, dim=-1)
    chosen_K = log_JE[torch.from_numpy(targets.of_K), torch.from_numpy(targets.entity_K)]
    return _weighted_mean(-chosen_K, torch.from_numpy(targets.weight_K))


def look_up(table_ED: Tensor, index_BL: Tensor) -> Tensor:
    """Rows of a table; zeros where the index is -1."""
    return functional.embedding(index_BL + 1, functional.pad(table_ED, (0, 0, 1, 0)))


def _weighted_mean(loss_K: Tensor, weight_K: Tensor) -> Tensor:
    if not len(loss_K):
        return loss_K.sum()
    return (loss_K * weight_K).sum() / weight_K.sum()
