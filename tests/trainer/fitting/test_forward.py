"""The central equivalence: a page packed among others is the page decoded alone."""

import dataclasses

import numpy as np
import pytest
import torch
from trainer.factories_trainer import SMALL, page_builder

from pagecast.featurestore.prompt.encoding import encode_prompt
from pagecast.trainer.batches.batch import CutPage
from pagecast.trainer.batches.examples import Examples
from pagecast.trainer.batches.packer import pack
from pagecast.trainer.batches.targets import Targets
from pagecast.trainer.config import ModelConfig, ObjectiveConfig
from pagecast.trainer.data.dataset import Dataset, catalog_features, row_ids
from pagecast.trainer.data.users import prompt_at, windows
from pagecast.trainer.fitting.forward import (
    Embedded,
    Losses,
    embed,
    losses,
    packed_hidden,
    target_weights,
)
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.pages.constructed import PageRow

CONFIGS = (
    ModelConfig(d_model=32, layers=2, query_heads=2, kv_heads=1, mlp_hidden=48),
    ModelConfig(d_model=32, layers=1, query_heads=4, kv_heads=2, mlp_hidden=48),
    ModelConfig(d_model=32, layers=1, mlp_hidden=48, output_dim=8, conditioned_head=True),
)

PAGES = (
    CutPage(
        cut=1,
        rows=[
            PageRow(row=0, argument=-1, entities=(3, 9), weights=(1.0, 1.0)),
            PageRow(row=6, argument=4, entities=(5, 7, 8), weights=(1.0, 1.0, 1.0)),
        ],
    ),
    CutPage(cut=6, rows=[PageRow(row=2, argument=-1, entities=(1, 2, 3), weights=(1.0,) * 3)]),
    CutPage(cut=4, rows=[PageRow(row=0, argument=-1, entities=(), weights=())], opening=True),
)


def model_of(data: Dataset, config: ModelConfig) -> tuple[PageModel, Embedded]:
    torch.manual_seed(0)
    model = PageModel(config, data.vocabulary).eval()
    for parameter in model.head.parameters():  # those of heads begin at zero
        torch.nn.init.normal_(parameter, std=0.3)
    features = catalog_features(data.catalog, data.vocabulary)
    return model, embed(model, features, row_ids(data.catalog, data.vocabulary))


def decoded_alone(
    model: PageModel, embedded: Embedded, data: Dataset, user: int, page: CutPage
) -> torch.Tensor:
    """Hidden states of the request and of every token of a page, one token at a time."""
    prompt = encode_prompt(prompt_at(data.users[user], page.cut, data.catalog), data.vocabulary)
    index = data.catalog.entity_index
    entity_TD = torch.stack(
        [
            embedded.entity_input_ED[index[e]] if e else torch.zeros(model.config.d_model)
            for e in prompt.entity_ids
        ]
    )
    steps_BTD = model.embed_steps(entity_TD[None], torch.from_numpy(prompt.fields_TF)[None])
    hidden_BSD, keys, values = model.decoder.prefill(steps_BTD)
    hidden = [hidden_BSD[0, -1]]
    for token_D in page_tokens(embedded, page, steps_BTD[0, -1]):
        hidden_BSD, new_keys, new_values = model.decoder.decode(token_D[None, None], keys, values)
        keys, values = torch.cat([keys, new_keys], 3), torch.cat([values, new_values], 3)
        hidden.append(hidden_BSD[0, -1])
    states: torch.Tensor = model.head(torch.stack(hidden))
    return states


def page_tokens(embedded: Embedded, page: CutPage, request_D: torch.Tensor) -> list[torch.Tensor]:
    """A row's token has the request's in it, an entity's is its own alone."""
    tokens = []
    for row in page.rows:
        token_D = embedded.row_input_RD[row.row] + request_D
        if row.argument >= 0:
            token_D = token_D + embedded.entity_input_ED[row.argument]
        tokens += [token_D, *(embedded.entity_input_ED[e] for e in row.entities)]
    return tokens


@pytest.mark.parametrize("config", CONFIGS)
@torch.no_grad()
def test_packed_pages_equal_prefill_and_decode_with_a_cache(
    dataset: Dataset, config: ModelConfig
) -> None:
    model, embedded = model_of(dataset, config)
    (long,) = windows(0, dataset.users[0], range(10), dataset.catalog, dataset.vocabulary)
    (short,) = windows(1, dataset.users[1], range(7), dataset.catalog, dataset.vocabulary)
    batch = pack([long, short], [PAGES, PAGES[:2]], ahead_decay=0.5)
    length = batch.page_BL.shape[1]
    hidden_BLD = packed_hidden(model, embedded, batch).view(2, length, -1)
    for user, pages in enumerate((PAGES, PAGES[:2])):
        for number, page in enumerate(pages):
            alone = decoded_alone(model, embedded, dataset, user, page)
            at = np.flatnonzero(batch.page_BL[user] == number)
            packed = torch.cat([hidden_BLD[user, page.cut + 1][None], hidden_BLD[user, at]])
            torch.testing.assert_close(packed, alone, atol=1e-5, rtol=0)


@torch.no_grad()
def test_rows_are_read_from_the_state_entities_are_read_from(dataset: Dataset) -> None:
    """As the engine does with what the graphs give out: conditioned and projected, both of them."""
    model, embedded = model_of(dataset, CONFIGS[2])
    (window,) = windows(0, dataset.users[0], range(10), dataset.catalog, dataset.vocabulary)
    batch = pack([window], [PAGES[1:2]], ahead_decay=0.5)
    (at,), (row,) = batch.row_from_M, batch.row_target_M
    state_O = decoded_alone(model, embedded, dataset, 0, PAGES[1])[0]
    torch.testing.assert_close(packed_hidden(model, embedded, batch)[at], state_O)
    log_R = torch.log_softmax(embedded.row_output_RD @ state_O, dim=0)
    assert losses(model, embedded, batch).rows.item() == pytest.approx(-log_R[row].item(), rel=1e-4)


@torch.no_grad()
def test_a_chunk_equals_one_token_at_a_time(dataset: Dataset) -> None:
    model, _ = model_of(dataset, CONFIGS[0])
    tokens_BSD = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(1))
    whole_BSD, keys, values = model.decoder.prefill(tokens_BSD)
    _, past_keys, past_values = model.decoder.prefill(tokens_BSD[:, :2])
    chunk_BSD, new_keys, new_values = model.decoder.decode(
        tokens_BSD[:, 2:], past_keys, past_values
    )
    torch.testing.assert_close(chunk_BSD, whole_BSD[:, 2:], atol=1e-5, rtol=0)
    torch.testing.assert_close(new_keys, keys[..., 2:, :], atol=1e-5, rtol=0)
    torch.testing.assert_close(new_values, values[..., 2:, :], atol=1e-5, rtol=0)


def test_a_page_without_targets_costs_nothing(dataset: Dataset) -> None:
    model, embedded = model_of(dataset, SMALL.model)
    (window,) = windows(0, dataset.users[0], range(10), dataset.catalog, dataset.vocabulary)
    batch = pack([window], [PAGES[2:]], ahead_decay=0.5)
    loss = losses(model, embedded, batch)
    assert loss.history == loss.pages == loss.rows == 0.0


@torch.no_grad()
def test_the_loss_weighs_targets_by_engagement(dataset: Dataset) -> None:
    model, embedded = model_of(dataset, SMALL.model)
    (window,) = windows(0, dataset.users[0], range(10), dataset.catalog, dataset.vocabulary)

    def loss(first_weight: float, second_weight: float) -> float:
        rows = [
            PageRow(row=0, argument=-1, entities=(5,), weights=(first_weight,)),
            PageRow(row=0, argument=-1, entities=(6,), weights=(second_weight,)),
        ]
        pages = [CutPage(cut=cut, rows=[row], opening=True) for cut, row in enumerate(rows)]
        batch = pack([window], [pages], ahead_decay=0.5)
        return float(losses(model, embedded, batch).pages)

    first, second = loss(1.0, 0.0), loss(0.0, 1.0)
    assert loss(3.0, 1.0) == pytest.approx((3 * first + second) / 4, rel=1e-5)


@torch.no_grad()
def test_the_history_is_predicted_from_its_requests(dataset: Dataset) -> None:
    model, embedded = model_of(dataset, SMALL.model)
    (window,) = windows(0, dataset.users[0], range(10), dataset.catalog, dataset.vocabulary)
    batch = pack([window], [[]], [Targets.of([4], [{7: 2.0}], 1.0)], ahead_decay=1.0)
    hidden_XD = packed_hidden(model, embedded, batch)
    log_E = torch.log_softmax(hidden_XD[4] @ embedded.entity_output_ED.T, dim=0)
    loss = losses(model, embedded, batch)
    assert float(loss.history) == pytest.approx(-float(log_E[7]), rel=1e-5)
    assert loss.pages == 0.0


@torch.no_grad()
def test_each_objective_counts_by_its_weight(dataset: Dataset) -> None:
    model, embedded = model_of(dataset, SMALL.model)
    (window,) = windows(0, dataset.users[0], range(10), dataset.catalog, dataset.vocabulary)
    batch = pack([window], [PAGES], [Targets.of([4], [{7: 2.0}], 1.0)], ahead_decay=1.0)
    loss = losses(model, embedded, batch)
    total = loss.total(ObjectiveConfig(history=2.0, pages=0.5, rows=0.0))
    assert float(total) == pytest.approx(2.0 * float(loss.history) + 0.5 * float(loss.pages))


def test_scaled_losses_of_shares_add_up_to_the_whole_and_so_do_gradients(dataset: Dataset) -> None:
    """Shares have other numbers and weights of targets: means of them would not add up."""
    rng = np.random.default_rng(0)
    examples = Examples(dataset, page_builder(dataset), SMALL)
    chosen = examples.shuffled(rng)[0][:5]
    pages = examples.pages(chosen, rng)

    def part(share: slice, every: dict[str, float]) -> tuple[float, torch.Tensor]:
        model, embedded = model_of(dataset, CONFIGS[0])
        batch = examples.pack(chosen[share], pages[share])
        own = target_weights(batch)
        shares = {name: own[name] / weight for name, weight in every.items()}
        loss = losses(model, embedded, batch).scaled(shares).total(ObjectiveConfig())
        loss.backward()
        gradient = model.fields.weight.grad
        assert gradient is not None
        return float(loss.detach()), gradient

    every = target_weights(examples.pack(chosen, pages))
    whole, gradient = part(slice(None), every)
    parts = [part(slice(rank, None, 2), every) for rank in range(2)]
    assert sum(loss for loss, _ in parts) == pytest.approx(whole, rel=1e-5)
    assert torch.allclose(parts[0][1] + parts[1][1], gradient, atol=1e-6)
    assert not torch.allclose(parts[0][1], gradient, atol=1e-3), "each is a part"


def test_every_loss_has_weights_under_its_name() -> None:
    assert target_weights(None).keys() == {field.name for field in dataclasses.fields(Losses)}


def test_a_batch_without_targets_has_no_weights(dataset: Dataset) -> None:
    examples = Examples(dataset, page_builder(dataset), SMALL)
    batch = pack(examples.windows[:1], [[]], ahead_decay=0.5)
    assert target_weights(batch) == target_weights(None)


@torch.no_grad()
def test_dropped_steps_are_hidden_from_all_but_themselves(dataset: Dataset) -> None:
    """With all of them dropped, a request sees the profile and its own position only."""
    model, embedded = model_of(dataset, CONFIGS[1])
    (window,) = windows(0, dataset.users[0], range(10), dataset.catalog, dataset.vocabulary)
    batch = pack([window], [PAGES[2:]], ahead_decay=1.0)
    dropped_XD = packed_hidden(model, embedded, batch, step_dropout=1.0)
    blind = dataclasses.replace(batch, sees_BL=np.zeros_like(batch.sees_BL))
    alone_XD = packed_hidden(model, embedded, blind)
    torch.testing.assert_close(dropped_XD, alone_XD, atol=1e-6, rtol=0)
