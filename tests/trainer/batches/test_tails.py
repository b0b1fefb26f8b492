"""What follows a history in training is what follows it in the server."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import START_MS, play
from hypothesis import given
from hypothesis import strategies as st
from trainer.factories_decoded import decoded_page, decoded_prompt
from trainer.factories_trainer import DAY_MS, SMALL, logged, page_builder

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.fold import FoldConfig
from pagecast.featurestore.prompt.context import ContextConfig
from pagecast.featurestore.prompt.encoding import encode_prompt
from pagecast.trainer.batches.batch import CutPage
from pagecast.trainer.batches.examples import Examples
from pagecast.trainer.batches.packer import pack
from pagecast.trainer.batches.tails import Tail, Tails
from pagecast.trainer.data.dataset import Dataset, build_dataset, catalog_features, row_ids
from pagecast.trainer.data.replay import replay
from pagecast.trainer.data.users import Window, prompt_at, windows
from pagecast.trainer.fitting.forward import Embedded, embed, packed_hidden
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.pages.constructed import PageRow

CONTEXT = ContextConfig(summaries_max=2, new_max=2, new_days=100, live_max=1)

FOLD = FoldConfig(steps_max=6, evicted_together=3)

STEPS = 16


@pytest.fixture(scope="module")
def told(catalog: CatalogSnapshot) -> Dataset:
    """A user whose window is soon full, in a world with releases while he watches."""
    begin_ms = START_MS - STEPS * 20 * DAY_MS
    events = [play("u", f"e{i}", begin_ms + i * 20 * DAY_MS) for i in range(STEPS)]
    user = replay("u", logged(events), fold=FOLD)
    return build_dataset(catalog, [user], SMALL.engagement, CONTEXT)


def windows_of(data: Dataset) -> list[Window]:
    return list(windows(0, data.users[0], range(STEPS), data.catalog, data.vocabulary))


def tail_of(data: Dataset, window: Window, cut: int) -> Tail:
    tails = Tails(catalog=data.catalog, vocabulary=data.vocabulary)
    return tails.of(data.users[0], window, cut)


def test_history_and_tail_are_the_prompt_that_the_server_encodes(told: Dataset) -> None:
    index = told.catalog.entity_index
    sizes = set()
    for window in windows_of(told):
        for cut in window.cuts_C.tolist():
            prompt = prompt_at(told.users[0], window.first + cut, told.catalog, CONTEXT)
            encoded = encode_prompt(prompt, told.vocabulary)
            tail = tail_of(told, window, cut)
            prefix, rest = encoded.prefix, slice(encoded.prefix, None)
            entities = np.array([index.get(e, -1) for e in encoded.entity_ids])
            assert np.array_equal(window.fields_TF[:prefix], encoded.fields_TF[:prefix])
            assert np.array_equal(window.entity_T[:prefix], entities[:prefix])
            assert np.array_equal(tail.fields_CF, encoded.fields_TF[rest])
            assert np.array_equal(tail.entity_C, entities[rest])
            sizes.add(len(tail))
    assert min(sizes) == 3, "two new ones and the request"
    assert max(sizes) == 6, "a genre or two and a kind have left the window"


def test_without_anything_to_tell_there_is_no_tail(dataset: Dataset) -> None:
    (window,) = windows(0, dataset.users[0], range(10), dataset.catalog, dataset.vocabulary)
    assert len(tail_of(dataset, window, 4)) == 0


def decoded_alone(
    model: PageModel, embedded: Embedded, data: Dataset, window: Window, page: CutPage
) -> torch.Tensor:
    """Hidden states after the prompt and after each token of a page of one row."""
    prompt = prompt_at(data.users[0], window.first + page.cut, data.catalog, CONTEXT)
    encoded = encode_prompt(prompt, data.vocabulary)
    known = [data.catalog.entity_index.get(e, -1) for e in encoded.entity_ids]
    entity_TD = torch.cat([embedded.entity_input_ED, torch.zeros(1, 32)])[known]
    tokens_BTD = model.embed_steps(entity_TD[None], torch.from_numpy(encoded.fields_TF)[None])
    hidden_BD, keys, values = decoded_prompt(model, tokens_BTD)
    (row,) = page.rows
    row_D = embedded.row_input_RD[row.row] + tokens_BTD[0, -1]
    tokens_SD = torch.stack([row_D, *(embedded.entity_input_ED[e] for e in row.entities)])
    page_BSD = decoded_page(model, tokens_SD[None], keys, values)
    return torch.cat([hidden_BD, page_BSD[0]])


@torch.no_grad()
def test_a_packed_page_with_a_context_is_the_page_decoded_alone(told: Dataset) -> None:
    torch.manual_seed(0)
    model = PageModel(SMALL.model, told.vocabulary).eval()
    features = catalog_features(told.catalog, told.vocabulary)
    embedded = embed(model, features, row_ids(told.catalog, told.vocabulary))
    row = PageRow(row=1, argument=-1, entities=(3, 9, 5), weights=(1.0, 1.0, 1.0))
    for window in windows_of(told):
        pages = [
            CutPage(cut=cut, rows=[row], tail=tail_of(told, window, cut))
            for cut in window.cuts_C.tolist()
        ]
        batch = pack([window], [pages], ahead_decay=0.5)
        hidden_XD = packed_hidden(model, embedded, batch)
        for number, page in enumerate(pages):
            at = np.flatnonzero(batch.page_BL[0] == number)[len(page.tail) - 1 :]
            alone = decoded_alone(model, embedded, told, window, page)
            torch.testing.assert_close(hidden_XD[at], alone, atol=1e-5, rtol=0)


@given(cuts=st.sets(st.integers(0, 5), min_size=1))
def test_the_request_of_the_history_is_hidden_from_a_page_that_brings_its_own(
    cuts: set[int],
) -> None:
    window = Window(
        user=0,
        first=0,
        entity_T=np.arange(7),
        fields_TF=np.ones((7, 2), np.int64),
        cuts_C=np.arange(6),
    )
    row = PageRow(row=7, argument=-1, entities=(), weights=())
    tail = Tail(entity_C=np.array([8, 9]), fields_CF=np.ones((2, 2), np.int64))
    pages = [CutPage(cut=cut, rows=[row], opening=True, tail=tail) for cut in sorted(cuts)]
    batch = pack([window], [pages], ahead_decay=1.0)
    for number, page in enumerate(pages):
        at = np.flatnonzero(batch.page_BL[0] == number)
        request = page.cut + 1
        assert batch.position_BL[0, at].tolist() == [request, request + 1, request + 2]
        seen = np.flatnonzero(batch.mask_BLL[0, at[-1]]).tolist()
        assert seen == [*range(request), *at.tolist()]
        assert batch.pages.at_J[number] == at[-1]


def tails_drawn(told: Dataset, context_rate: float) -> list[int]:
    config = replace(SMALL, context=CONTEXT, context_rate=context_rate)
    examples = Examples(told, page_builder(told, config), config)
    rng = np.random.default_rng(0)
    pages = examples.pages(examples.windows, rng)
    return [len(page.tail) for of_window in pages for page in of_window]


def test_a_share_of_pages_is_told_its_context(told: Dataset) -> None:
    assert set(tails_drawn(told, 0.0)) == {0}
    assert 0 not in tails_drawn(told, 1.0)
    some = tails_drawn(told, 0.5)
    assert 0 in some and set(some) != {0}
