"""Fits a head on a frozen model, or moves the whole model with it.

Letters: X rows, U prompts, E entities, D width, P width of published embeddings, K outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pagecast.engine.vectors.stabilisation import Stabilisation
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.batches.openings import POSITIONS_TOGETHER
from pagecast.trainer.network.encoders import EntityEncoder, UserEncoder
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.network.tower import FEATURES
from pagecast.trainer.tasks.config import TaskConfig
from pagecast.trainer.tasks.head import TaskHead, fit_head
from pagecast.trainer.tasks.prompts import TaskPrompts, batches, padded

ROWS_TOGETHER = 64
"""Rows of one step of the optimiser, fewer where histories are long."""


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """The model below a head, as encoders, and the features of the catalog's entities."""

    model: PageModel
    user: UserEncoder
    entity: EntityEncoder
    features: Mapping[str, Tensor]

    @classmethod
    def of(
        cls,
        model: PageModel,
        vocabulary: Vocabulary,
        stabilisation: Stabilisation,
        features: Mapping[str, Tensor],
    ) -> "Trunk":
        return cls(
            model=model,
            user=UserEncoder(model, vocabulary, stabilisation),
            entity=EntityEncoder(model, stabilisation),
            features=features,
        )

    def entities(self) -> Tensor:
        """`entity_EP` of the catalog."""
        entity_EP: Tensor = self.entity(*(self.features[name] for name in FEATURES))
        return entity_EP

    def inputs(self) -> Tensor:
        """`input_ED` of the catalog: what prompts are made of."""
        return self.model.embed_entities(self.features)[0]

    def users(self, prompts: TaskPrompts, numbers: Sequence[int], input_ED: Tensor) -> Tensor:
        """`user_UP` of some prompts, in the order given."""
        asked = padded([prompts.prompts[number] for number in numbers], input_ED)
        user_UP: Tensor = self.user(*asked)
        return user_UP


@dataclass(frozen=True, kw_only=True)
class TaskData:
    """Rows in time order: their prompts, catalog indices of entities (none: -1) and labels."""

    prompts: TaskPrompts
    entity_X: Tensor
    label_X: Tensor

    def entities(self, entity_EP: Tensor, rows_X: Tensor) -> Tensor:
        """`entity_XP` of some rows. An entity the catalog lacks is zeros."""
        table_EP = torch.nn.functional.pad(entity_EP, (0, 0, 1, 0))
        entity_XP: Tensor = table_EP[self.entity_X[rows_X] + 1]
        return entity_XP


@torch.no_grad()
def embedded(trunk: Trunk, data: TaskData, *, of_entities: bool) -> tuple[Tensor, ...]:
    """What the head is given for every row, from the trunk as it is."""
    trunk.model.eval()
    width = trunk.user.user_OP.shape[1]
    user_UP = torch.zeros(len(data.prompts.prompts), width)
    input_ED = trunk.inputs()
    for numbers in batches(data.prompts.prompts):
        user_UP[numbers] = trunk.users(data.prompts, numbers, input_ED)
    user_XP = user_UP[torch.from_numpy(data.prompts.prompt_X)]
    if not of_entities:
        return (user_XP,)
    return user_XP, data.entities(trunk.entities(), torch.arange(len(user_XP)))


def fit_frozen(head: TaskHead, trunk: Trunk, data: TaskData, fitted: int) -> float:
    """Fits the head to the first `fitted` rows; returns its penalty. The model stays as it is."""
    given = embedded(trunk, data, of_entities=head.of_entities)
    feature_XN = head.features(*given)
    return fit_head(head, feature_XN[:fitted], data.label_X[:fitted])


def fit_whole(
    head: TaskHead,
    trunk: Trunk,
    data: TaskData,
    fitted: int,
    config: TaskConfig,
    told: Callable[[float], None],
) -> None:
    """Moves model and head together, on the first `fitted` rows, from a head that is fitted."""
    rng = np.random.default_rng(config.seed)
    descent = torch.optim.AdamW(
        [
            {"params": list(trunk.model.parameters()), "lr": config.learning_rate},
            {"params": list(head.parameters()), "lr": config.head_learning_rate},
        ],
        weight_decay=config.weight_decay,
    )
    steps = [rows for _ in range(config.passes) for rows in _shuffled(data, fitted, rng)]
    for done, rows_X in enumerate(steps, start=1):
        numbers, place_X = np.unique(data.prompts.prompt_X[rows_X], return_inverse=True)
        user_UP = trunk.users(data.prompts, numbers.tolist(), trunk.inputs())
        user_XP = user_UP[torch.from_numpy(place_X)]
        given: tuple[Tensor, ...] = (user_XP,)
        if head.of_entities:
            given += (data.entities(trunk.entities(), torch.from_numpy(rows_X)),)
        descent.zero_grad()
        loss = head.loss(head.logits(*given), data.label_X[torch.from_numpy(rows_X)])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trunk.model.parameters(), config.gradient_norm_max)
        descent.step()
        told(done / len(steps))


def _shuffled(data: TaskData, fitted: int, rng: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    """One pass in batches of rows whose prompts are of about one length, in random order."""
    length_X = np.array([len(data.prompts.prompts[u]) for u in data.prompts.prompt_X[:fitted]])
    order_X = np.lexsort((rng.random(fitted), length_X))
    together: list[npt.NDArray[np.int64]] = []
    begin = 0
    while begin < fitted:
        rows = ROWS_TOGETHER
        while (
            rows > 1
            and rows * length_X[order_X[min(begin + rows, fitted) - 1]] > POSITIONS_TOGETHER
        ):
            rows //= 2
        together.append(order_X[begin : begin + rows])
        begin += rows
    return [together[number] for number in rng.permutation(len(together))]
