import re
from pathlib import Path

import pytest
import torch

from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer import profiles
from pagecast.trainer.config import HEAD_DIM, ModelConfig
from pagecast.trainer.network.decoder import Decoder
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.profiles import PROFILES

TABLES = (
    "fields.",
    "row_",
    "tower.genre.",
    *(f"tower.{name}." for name in ("input.id", "output.id", "kind", "year", "language")),
    "tower.maturity.",
    "tower.origin.",
    "tower.person.",
    "tower.content.",
    "head.",
)

TABLE = {
    cells[0]: [int(cell.replace(" ", "")) for cell in cells[1:]]
    for line in re.findall(r"^\| (\w+ \| \d.*) \|$", profiles.__doc__ or "", re.MULTILINE)
    for cells in [line.split(" | ")]
}


def on_meta(config: ModelConfig, entities: int = 1) -> PageModel:
    """A model without memory for its weights."""
    vocabulary = Vocabulary(
        entities=tuple(f"e{i}" for i in range(entities)),
        entity_interactions=(1,) * entities,
        rows=("top",),
        genres=("Drama",),
        languages=("en",),
        countries=("DE",),
        devices=("tv",),
        surfaces=("home",),
    )
    with torch.device("meta"):
        return PageModel(config, vocabulary)


def beside_tables(model: PageModel) -> int:
    named = model.named_parameters()
    return sum(p.numel() for name, p in named if not name.startswith(TABLES))


def test_the_table_tells_every_profile() -> None:
    assert TABLE.keys() == PROFILES.keys()


@pytest.mark.parametrize("name", PROFILES)
def test_the_table_tells_shapes_and_counts(name: str) -> None:
    config = PROFILES[name]
    width, layers, query_heads, kv_heads, mlp, parameters = TABLE[name]
    assert (config.d_model, config.layers, config.mlp_hidden) == (width, layers, mlp)
    assert (config.query_heads, config.kv_heads) == (query_heads, kv_heads)
    assert beside_tables(on_meta(config)) == parameters


def test_a_vocabulary_adds_to_tables_only() -> None:
    config = PROFILES["tiny"]
    assert beside_tables(on_meta(config, entities=500)) == beside_tables(on_meta(config))


def test_tiny_is_the_default_and_large_as_large_as_the_papers() -> None:
    assert PROFILES["tiny"] == ModelConfig()
    assert beside_tables(on_meta(PROFILES["large"])) == pytest.approx(200e6, rel=0.05)


def test_heads_fill_the_width() -> None:
    assert all(c.query_heads * HEAD_DIM == c.d_model for c in PROFILES.values())


def test_large_runs_a_packed_sequence_by_shape() -> None:
    model = on_meta(PROFILES["large"])
    tokens_BLD = torch.empty(2, 7, 1024, device="meta")
    position_BL = torch.zeros(2, 7, dtype=torch.long, device="meta")
    mask_BLL = torch.ones(2, 7, 7, dtype=torch.bool, device="meta")
    assert model.decoder.packed(tokens_BLD, position_BL, mask_BLL).shape == (2, 7, 1024)
    _, keys_YBHSK, _ = model.decoder.prefill(tokens_BLD)
    assert keys_YBHSK.shape == (16, 2, 4, 7, HEAD_DIM)


def test_large_takes_a_step_of_the_optimiser() -> None:
    """With real weights: 3 GB and a few seconds."""
    decoder = Decoder(PROFILES["large"]).train()
    optimizer = torch.optim.AdamW(decoder.parameters())
    before_D = decoder.norm.weight.detach().clone()
    mask_BLL = torch.ones(1, 4, 4, dtype=torch.bool).tril()
    hidden_BLD = decoder.packed(torch.randn(1, 4, 1024), torch.arange(4)[None], mask_BLL)
    hidden_BLD.square().mean().backward()
    optimizer.step()
    assert torch.isfinite(hidden_BLD).all()
    assert not torch.equal(decoder.norm.weight, before_D)


def test_the_document_has_the_same_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "training.md"
    rows = re.findall(r"^\|.*\|$", profiles.__doc__ or "", re.MULTILINE)
    assert "\n".join(rows) in page.read_text()
