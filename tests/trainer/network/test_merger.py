"""A model that compresses old steps: packed, prefilled and served alike."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import START_MS, play
from trainer.factories_decoded import decoded_prompt
from trainer.factories_trainer import HOUR_MS, SMALL, entity_id, logged, page_builder

from pagecast.engine.batching.prompt_inputs import prompt_inputs
from pagecast.engine.batching.prompt_tokens import encode, tokens_of
from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.model import Model
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.compression import steps_compressed
from pagecast.featurestore.prompt.encoding import encode_prompt
from pagecast.rules.page_state import NO_ARGUMENT
from pagecast.trainer.batches.batch import CutPage
from pagecast.trainer.batches.examples import Examples
from pagecast.trainer.batches.packer import pack
from pagecast.trainer.data.dataset import Dataset, build_dataset, catalog_features, row_ids
from pagecast.trainer.data.replay import replay
from pagecast.trainer.data.users import prompt_at, windows
from pagecast.trainer.export.bundle import BundleFacts, write_bundle
from pagecast.trainer.export.graphs import CompressedPromptGraph
from pagecast.trainer.fitting.forward import Embedded, embed, losses, packed_hidden
from pagecast.trainer.network.merger import StepMerger
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.pages.constructed import PageRow

KEEP, STEPS = 8, 300

CONFIG = replace(SMALL.model, compress_keep=KEEP)

CUTS = (0, 135, 136, 137, 263, 264, 299)
"""Around where blocks of 128 are compressed."""


@pytest.fixture(scope="module")
def long(catalog: CatalogSnapshot) -> Dataset:
    events = [play("u", entity_id(i * 7), START_MS + i * HOUR_MS) for i in range(STEPS)]
    return build_dataset(catalog, [replay("u", logged(events))], SMALL.engagement)


@pytest.fixture(scope="module")
def model(long: Dataset) -> PageModel:
    torch.manual_seed(0)
    return PageModel(CONFIG, long.vocabulary).eval()


def embedded_by(model: PageModel, data: Dataset) -> Embedded:
    features = catalog_features(data.catalog, data.vocabulary)
    return embed(model, features, row_ids(data.catalog, data.vocabulary))


def prefilled(
    model: PageModel, data: Dataset, cut: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    encoded = encode_prompt(prompt_at(data.users[0], cut, data.catalog), data.vocabulary)
    known = [data.catalog.entity_index.get(e, -1) for e in encoded.entity_ids]
    input_ED = embedded_by(model, data).entity_input_ED
    entity_TD = torch.cat([input_ED, torch.zeros(1, CONFIG.d_model)])[known].numpy()
    compressed = steps_compressed(encoded.prefix - 1, KEEP)
    given = prompt_inputs(entity_TD, encoded.fields_TF, compresses=True, compressed=compressed)
    tokens_BUD = CompressedPromptGraph(model)(
        *(torch.from_numpy(np.ascontiguousarray(value)) for value in given.values())
    )
    hidden_BD, keys, values = decoded_prompt(model, tokens_BUD)
    return hidden_BD[0], keys, values


def packed(model: PageModel, data: Dataset) -> dict[int, torch.Tensor]:
    """Hidden states of the requests at CUTS, and after a row behind each, packed."""
    found = {}
    row = PageRow(row=1, argument=-1, entities=(), weights=())
    for window in windows(0, data.users[0], CUTS, data.catalog, data.vocabulary, KEEP):
        cuts = window.cuts_C.tolist()
        pages = [CutPage(cut=cut, rows=[row], opening=True) for cut in cuts]
        batch = pack([window], [pages], ahead_decay=1.0)
        hidden_XD = packed_hidden(model, embedded_by(model, data), batch)
        for cut, at in zip(cuts, batch.pages.at_J.tolist(), strict=True):
            found[cut] = torch.stack([hidden_XD[window.request(cut)], hidden_XD[at]])
    return found


@torch.no_grad()
def test_a_packed_window_is_the_prompt_prefilled(model: PageModel, long: Dataset) -> None:
    requests = packed(model, long)
    assert tuple(requests) == CUTS
    for cut, hidden_SD in requests.items():
        alone_D, _, _ = prefilled(model, long, cut)
        torch.testing.assert_close(hidden_SD[0], alone_D, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("cut", "positions"),
    [(135, 1 + 135), (136, 1 + 32 + 8), (263, 1 + 32 + 135), (264, 1 + 64 + 8)],
)
@torch.no_grad()
def test_a_step_more_voids_what_is_cached_only_when_a_block_is_full(
    model: PageModel, long: Dataset, cut: int, positions: int
) -> None:
    _, keys, values = prefilled(model, long, cut)
    _, longer_keys, longer_values = prefilled(model, long, cut + 1)
    assert keys.shape[3] == positions + 1, "and the request's"
    same = (
        all(
            torch.allclose(one[..., :positions, :], other[..., :positions, :], atol=1e-6)
            for one, other in ((keys, longer_keys), (values, longer_values))
            if other.shape[3] > positions
        )
        and longer_keys.shape[3] > positions
    )
    assert same == (cut not in (135, 263))


@torch.no_grad()
def test_a_group_begins_as_the_mean_of_its_steps() -> None:
    merger = StepMerger(16)
    merger.begin_as_mean()
    old_BGMD = torch.randn(2, 3, 4, 16)
    torch.testing.assert_close(merger(old_BGMD), old_BGMD.mean(2))


def test_old_steps_are_learned_from(long: Dataset) -> None:
    """Every cut is a target once, and the matrix of groups has a gradient."""
    config = replace(SMALL, model=CONFIG)
    examples = Examples(long, page_builder(long, config), config)
    assert [len(w.old) for w in examples.windows] == [0, 32, 64]
    cuts = [cut for window in examples.windows for cut in window.cuts_C.tolist()]
    assert cuts == list(range(STEPS))
    torch.manual_seed(0)
    model = PageModel(CONFIG, long.vocabulary)
    batch = examples.pack(examples.windows, [[], [], []])
    losses(model, embedded_by(model, long), batch).history.backward()
    assert model.merger is not None
    gradient = model.merger.merge.weight.grad
    assert gradient is not None and gradient.abs().sum() > 0


def test_an_epoch_may_draw_some_of_a_long_history_s_windows(long: Dataset) -> None:
    config = replace(SMALL, model=CONFIG, user_windows_max=1)
    examples = Examples(long, page_builder(long, config), config)
    rng = np.random.default_rng(0)
    drawn = [examples.shuffled(rng) for _ in range(20)]
    assert all(len(batches) == len(batches[0]) == 1 for batches in drawn)
    assert {len(batches[0][0].old) for batches in drawn} == {0, 32, 64}


def test_a_model_that_does_not_compress_has_nothing_to_do_it_with(long: Dataset) -> None:
    model = PageModel(SMALL.model, long.vocabulary)
    with pytest.raises(ValueError, match="compress_keep"):
        model.embed_old(torch.zeros(1, 1, 4, 32), torch.zeros(1, 1, 4, 1, dtype=torch.long))


@pytest.mark.faults
@torch.no_grad()
def test_the_bundle_serves_what_was_trained(
    model: PageModel, long: Dataset, tmp_path: Path
) -> None:
    manifest = write_bundle(
        tmp_path, model, long.vocabulary, BundleFacts(data={}, metrics={}, config={})
    )
    served = Model(load_bundle(tmp_path / manifest.version), long.catalog)
    for cut, hidden_SD in packed(model, long).items():
        prompt = prompt_at(long.users[0], cut, long.catalog)
        tokens_UD = tokens_of(served, encode(served, prompt))
        decoder = served.bundle.decoder(slots=1)
        prompt_SD = decoder.feed(0, tokens_UD)
        row_D = served.row_token(1, NO_ARGUMENT, tokens_UD[-1])
        row_SD = decoder.feed(0, row_D[None])
        np.testing.assert_allclose(prompt_SD[-1], hidden_SD[0].numpy(), atol=1e-4)
        np.testing.assert_allclose(row_SD[0], hidden_SD[1].numpy(), atol=1e-4)
