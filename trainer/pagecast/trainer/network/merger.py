"""Old steps become fewer positions (docs/model.md, papers 3.1).

Letters: B sequences, T positions, G groups of old steps, M steps of a group, D width.
"""

import torch
from torch import Tensor, nn

from pagecast.featurestore.prompt.compression import STEPS_OF_A_GROUP


class StepMerger(nn.Module):
    """A group of M steps becomes one position: their embeddings side by side, times a matrix.

    It begins as their mean. The decoder has a fourth of the positions for old steps; the matrix is
    M times as wide as a step, so that it can tell the first of a group from the last.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.merge = nn.Linear(STEPS_OF_A_GROUP * d_model, d_model, bias=False)

    def begin_as_mean(self) -> None:
        mean_DD = torch.eye(self.merge.out_features) / STEPS_OF_A_GROUP
        with torch.no_grad():
            self.merge.weight.copy_(mean_DD.repeat(1, STEPS_OF_A_GROUP))

    def forward(self, old_BGMD: Tensor) -> Tensor:
        """Returns `merged_BGD`."""
        merged_BGD: Tensor = self.merge(old_BGMD.flatten(-2))
        return merged_BGD


def behind_profile(tokens_BTD: Tensor, merged_BGD: Tensor) -> Tensor:
    """Puts merged positions where the old steps were: after the profile, before the newer ones."""
    return torch.cat([tokens_BTD[:, :1], merged_BGD, tokens_BTD[:, 1:]], dim=1)
