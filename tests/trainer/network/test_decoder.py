import pytest
import torch
from torch import Tensor
from torch.utils import checkpoint as torch_checkpoint

from pagecast.trainer.config import ModelConfig
from pagecast.trainer.network import decoder as module
from pagecast.trainer.network.decoder import Decoder

CONFIG = ModelConfig(d_model=16, layers=3, query_heads=2, kv_heads=1, mlp_hidden=24)


def gradients(*, recompute: bool, seed: int = 1) -> dict[str, Tensor]:
    """Of one packed pass with dropout: of every weight, and of the input."""
    torch.manual_seed(0)
    decoder = Decoder(CONFIG, dropout=0.3).train()
    decoder.recompute = recompute
    tokens_BLD = torch.randn(2, 5, 16, requires_grad=True)
    mask_BLL = torch.ones(2, 5, 5, dtype=torch.bool).tril()
    torch.manual_seed(seed)
    hidden_BLD = decoder.packed(tokens_BLD, torch.arange(5).expand(2, 5), mask_BLL)
    hidden_BLD.square().sum().backward()
    found = {name: p.grad for name, p in decoder.named_parameters() if p.grad is not None}
    assert tokens_BLD.grad is not None
    return {**found, "tokens_BLD": tokens_BLD.grad}


def test_recomputed_blocks_have_the_same_gradients_under_dropout() -> None:
    remembered, recomputed = (gradients(recompute=value) for value in (False, True))
    assert recomputed.keys() == remembered.keys()
    assert all(torch.equal(recomputed[name], remembered[name]) for name in remembered)


def test_another_dropout_would_show() -> None:
    one, other = gradients(recompute=True), gradients(recompute=True, seed=2)
    assert not torch.equal(one["tokens_BLD"], other["tokens_BLD"])


def test_each_block_is_recomputed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counting(*arguments: object, use_reentrant: bool) -> object:
        asked.append(use_reentrant)
        return torch_checkpoint.checkpoint(*arguments, use_reentrant=use_reentrant)

    monkeypatch.setattr(module, "checkpoint", counting)
    gradients(recompute=True)
    assert asked == [False] * CONFIG.layers
    gradients(recompute=False)
    assert len(asked) == CONFIG.layers


@torch.no_grad()
def test_branches_are_what_decoding_each_alone_gives() -> None:
    torch.manual_seed(0)
    decoder = Decoder(ModelConfig(d_model=16, layers=3, query_heads=4, kv_heads=2, mlp_hidden=24))
    trunk_1PD, tokens_NSD = torch.randn(1, 5, 16), torch.randn(6, 3, 16)
    _, keys_Y1HPK, values_Y1HPK = decoder.prefill(trunk_1PD)
    own = (keys_Y1HPK[:, [0] * 6, :, :0], values_Y1HPK[:, [0] * 6, :, :0])
    for depth in range(3):
        hidden_ND, own = decoder.branch(
            tokens_NSD[:, depth], (keys_Y1HPK[:, 0], values_Y1HPK[:, 0]), own
        )
        whole_NSD = torch.cat([trunk_1PD.expand(6, -1, -1), tokens_NSD[:, : depth + 1]], dim=1)
        torch.testing.assert_close(hidden_ND, decoder.prefill(whole_NSD)[0][:, -1])
        assert own[0].shape[1:4] == (6, 2, depth + 1)
