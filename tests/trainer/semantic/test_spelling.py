"""A batch spelled in codes: what is packed among others equals what is decoded alone."""

import numpy as np
import pytest
import torch
from trainer.fitting.test_forward import PAGES

from pagecast.featurestore.prompt.encoding import encode_prompt
from pagecast.featurestore.prompt.semantic_ids import NO_TOKEN
from pagecast.trainer.batches.batch import CutPage, PackedBatch
from pagecast.trainer.batches.packer import pack
from pagecast.trainer.config import ModelConfig
from pagecast.trainer.data.dataset import Dataset, catalog_features, row_ids
from pagecast.trainer.data.users import prompt_at, windows
from pagecast.trainer.fitting.forward import Embedded, embed, packed_hidden
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.pages.constructed import PageRow
from pagecast.trainer.semantic.learned import learn, named, spell_with
from pagecast.trainer.semantic.spelling import Spelled, spell

TINY = ModelConfig(
    d_model=32, layers=2, query_heads=2, mlp_hidden=48, response="semantic_ids", codes=3
)
"""With three codes a level, entities of the small world share their codes: digits are spelled."""

OPENING = CutPage(
    cut=4, rows=[PageRow(row=0, argument=-1, entities=(11, 2), weights=(1.0, 0.5))], opening=True
)


def spelling_model(data: Dataset, config: ModelConfig = TINY) -> tuple[PageModel, Embedded]:
    """Untrained, with the codebook of an untrained model of entity tokens."""
    torch.manual_seed(0)
    features = catalog_features(data.catalog, data.vocabulary)
    teacher = PageModel(ModelConfig(d_model=config.d_model, mlp_hidden=48), data.vocabulary).eval()
    model = PageModel(config, data.vocabulary).eval()
    spell_with(model, learn(teacher, features, config.codes))
    rows = row_ids(data.catalog, data.vocabulary)
    with torch.no_grad():
        return model, embed(model, named(model, features), rows)


def packed(data: Dataset, pages: tuple[CutPage, ...] = (*PAGES[:2], OPENING)) -> PackedBatch:
    cuts = sorted({page.cut for page in pages})
    (window,) = windows(0, data.users[0], cuts, data.catalog, data.vocabulary)
    return pack([window, window], [list(pages), list(pages[::-1])], ahead_decay=0.7)


def spelled_alone(
    model: PageModel, embedded: Embedded, data: Dataset, page: CutPage
) -> torch.Tensor:
    """Hidden states of the request and of every token of a page, one token at a time."""
    prompt = encode_prompt(prompt_at(data.users[0], page.cut, data.catalog), data.vocabulary)
    index = data.catalog.entity_index
    zeros_D = torch.zeros(model.config.d_model)
    entity_TD = torch.stack(
        [embedded.entity_input_ED[index[e]] if e else zeros_D for e in prompt.entity_ids]
    )
    steps_BTD = model.embed_steps(entity_TD[None], torch.from_numpy(prompt.fields_TF)[None])
    hidden_BSD, keys, values = model.decoder.prefill(steps_BTD)
    hidden = [hidden_BSD[0, -1]]
    for token_D in page_tokens(model, embedded, page, steps_BTD[0, -1]):
        hidden_BSD, new_keys, new_values = model.decoder.decode(token_D[None, None], keys, values)
        keys, values = torch.cat([keys, new_keys], 3), torch.cat([values, new_values], 3)
        hidden.append(hidden_BSD[0, -1])
    return torch.stack(hidden)


def page_tokens(
    model: PageModel, embedded: Embedded, page: CutPage, request_D: torch.Tensor
) -> list[torch.Tensor]:
    assert embedded.token_EL is not None
    tokens = []
    for row in page.rows:
        token_D = embedded.row_input_RD[row.row] + request_D
        if row.argument >= 0:
            token_D = token_D + embedded.entity_input_ED[row.argument]
        tokens.append(token_D)
        for entity in row.entities[: 1 if page.opening else None]:
            spelt = [token for token in embedded.token_EL[entity].tolist() if token != NO_TOKEN]
            spelt = spelt[:-1] if page.opening else spelt
            tokens += [model.tower.codes.input.weight[token] for token in spelt]
    return tokens


def positions_of_pages(spelled: Spelled, window: int) -> list[np.ndarray]:
    page_L = spelled.batch.page_BL[window]
    return [np.flatnonzero(page_L == page) for page in range(page_L.max() + 1)]


@torch.no_grad()
def test_a_page_spelled_among_others_is_the_page_spelled_alone(dataset: Dataset) -> None:
    model, embedded = spelling_model(dataset)
    assert embedded.token_EL is not None
    assert (embedded.token_EL[:, -1] != NO_TOKEN).any(), "the world must have digits"
    spelled = spell(packed(dataset), embedded.token_EL)
    hidden_XD = packed_hidden(model, embedded, spelled.batch)
    length = spelled.batch.page_BL.shape[1]
    for window, pages in enumerate(((*PAGES[:2], OPENING), (OPENING, *PAGES[1::-1]))):
        for page, at_L in zip(pages, positions_of_pages(spelled, window), strict=True):
            alone_SD = spelled_alone(model, embedded, dataset, page)
            torch.testing.assert_close(
                hidden_XD[window * length + at_L], alone_SD[1:], atol=1e-5, rtol=1e-4
            )


@torch.no_grad()
def test_a_history_is_what_it_is_with_entity_tokens(dataset: Dataset) -> None:
    """But for its entities' embeddings: one position each, merged."""
    _, embedded = spelling_model(dataset)
    assert embedded.token_EL is not None
    batch = packed(dataset)
    spelled = spell(batch, embedded.token_EL).batch
    history = batch.fields_BTF.shape[1]
    assert (spelled.entity_BL[:, :history] == batch.entity_BL[:, :history]).all()
    assert (spelled.position_BL[:, :history] == batch.position_BL[:, :history]).all()
    assert spelled.code_BL is not None
    assert (spelled.code_BL[:, :history] == -1).all()


def test_without_the_merger_every_entity_of_a_history_is_spelled(dataset: Dataset) -> None:
    model, embedded = spelling_model(dataset)
    assert embedded.token_EL is not None
    batch = packed(dataset)
    spelled = spell(batch, embedded.token_EL, merge_prompt=False).batch
    assert spelled.code_BL is not None
    history_L = spelled.page_BL[0] == -1
    entity_T = batch.entity_BL[0][batch.page_BL[0] == -1]
    expected = [
        token
        for entity in entity_T[entity_T >= 0]
        for token in embedded.token_EL[entity].tolist()
        if token != NO_TOKEN
    ]
    code_L = spelled.code_BL[0][history_L]
    assert code_L[code_L >= 0].tolist() == expected
    assert spelled.position_BL[0][history_L].tolist() == list(range(int(history_L.sum())))
    with torch.no_grad():
        assert torch.isfinite(packed_hidden(model, embedded, spelled)).all()


def test_a_group_of_old_steps_holds_whole_steps() -> None:
    with pytest.raises(ValueError, match="merge_prompt"):
        ModelConfig(compress_keep=64, merge_prompt=False)
