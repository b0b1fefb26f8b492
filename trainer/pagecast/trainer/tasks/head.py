"""A small head on published embeddings: a linear model of a user, or of a user and an entity.

Letters: X rows, P width of embeddings, N features, K outputs.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pagecast.trainer.tasks.rows import LabelKind

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
"""On the mean square of weights of standardised features; one is chosen on the newest rows that the
head may be fitted on."""

ITERATIONS_MAX = 100
"""Of L-BFGS: the problem is convex and small, and converges before."""


class TaskHead(nn.Module):
    """Embeddings in, `score_XK` out: a chance, a number, or the chances of K classes.

    Features are the user's embedding; for rows with entities also the entity's, and their products,
    whose sum is the model's own score.
    """

    mean_N: Tensor
    scale_N: Tensor
    label_mean: Tensor
    label_scale: Tensor

    def __init__(self, kind: LabelKind, classes: int, width: int, *, of_entities: bool) -> None:
        super().__init__()
        self.kind, self.of_entities = kind, of_entities
        features = 3 * width if of_entities else width
        self.linear = nn.Linear(features, max(classes, 1))
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("mean_N", torch.zeros(features))
        self.register_buffer("scale_N", torch.ones(features))
        self.register_buffer("label_mean", torch.zeros(()))
        self.register_buffer("label_scale", torch.ones(()))

    def features(self, user_XP: Tensor, entity_XP: Tensor | None = None) -> Tensor:
        """`feature_XN`, as they are."""
        if entity_XP is None:
            return user_XP
        return torch.cat([user_XP, entity_XP, user_XP * entity_XP], dim=1)

    def logits(self, user_XP: Tensor, entity_XP: Tensor | None = None) -> Tensor:
        """`logit_XK`: what the loss is of."""
        feature_XN = self.features(user_XP, entity_XP)
        logit_XK: Tensor = self.linear((feature_XN - self.mean_N) / self.scale_N)
        return logit_XK

    def forward(self, *embeddings: Tensor) -> Tensor:
        return self.scores(self.logits(*embeddings))

    def scores(self, logit_XK: Tensor) -> Tensor:
        match self.kind:
            case LabelKind.BINARY:
                return torch.sigmoid(logit_XK)
            case LabelKind.CLASS:
                return torch.softmax(logit_XK, dim=1)
            case _:
                return logit_XK * self.label_scale + self.label_mean

    def loss(self, logit_XK: Tensor, label_X: Tensor) -> Tensor:
        """Mean over rows: nats, or for numbers squared deviations."""
        match self.kind:
            case LabelKind.BINARY:
                return functional.binary_cross_entropy_with_logits(logit_XK[:, 0], label_X)
            case LabelKind.CLASS:
                return functional.cross_entropy(logit_XK, label_X.long())
            case _:
                wanted_X = (label_X - self.label_mean) / self.label_scale
                return functional.mse_loss(logit_XK[:, 0], wanted_X)

    @torch.no_grad()
    def standardise(self, feature_XN: Tensor, label_X: Tensor) -> None:
        """From here on features, and numbers to predict, are measured in their own spread."""
        self.mean_N.copy_(feature_XN.mean(0))
        self.scale_N.copy_(feature_XN.std(0, unbiased=False).clamp(min=1e-6))
        if self.kind is LabelKind.REAL:
            self.label_mean.copy_(label_X.mean())
            self.label_scale.copy_(label_X.std(unbiased=False).clamp(min=1e-6))


def fit_head(head: TaskHead, feature_XN: Tensor, label_X: Tensor) -> float:
    """Fits a head to features in time order; returns the penalty that was chosen.

    The newest fifth chooses it, then the head is fitted to everything.
    """
    head.standardise(feature_XN, label_X)
    standard_XN = (feature_XN - head.mean_N) / head.scale_N
    begin = len(standard_XN) - max(1, len(standard_XN) // 5)
    losses = {}
    for penalty in PENALTIES:
        _descend(head, standard_XN[:begin], label_X[:begin], penalty)
        with torch.no_grad():
            losses[penalty] = head.loss(head.linear(standard_XN[begin:]), label_X[begin:]).item()
    chosen = min(losses, key=losses.__getitem__)
    _descend(head, standard_XN, label_X, chosen)
    return chosen


def _descend(head: TaskHead, standard_XN: Tensor, label_X: Tensor, penalty: float) -> None:
    """Descends from zero to the minimum."""
    linear = head.linear
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    descent = torch.optim.LBFGS(
        linear.parameters(), max_iter=ITERATIONS_MAX, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        descent.zero_grad()
        loss = head.loss(linear(standard_XN), label_X) + penalty * linear.weight.square().sum()
        loss.backward()
        return loss.item()

    descent.step(closure)
