"""A head learns what is linear in its features, of each kind of label."""

import numpy as np
import pytest
import torch

from pagecast.trainer.tasks.figures import figures_of
from pagecast.trainer.tasks.head import TaskHead, fit_head
from pagecast.trainer.tasks.rows import LabelKind

ROWS, WIDTH = 400, 6


def embeddings(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(seed).normal(3.0, 2.0, size=(ROWS, WIDTH)).astype(np.float32)
    )


def fitted(kind: LabelKind, label_X: torch.Tensor, *given: torch.Tensor) -> dict[str, float]:
    classes = 3 if kind is LabelKind.CLASS else 0
    head = TaskHead(kind, classes, WIDTH, of_entities=len(given) > 1)
    half = ROWS // 2
    fit_head(head, head.features(*given)[:half], label_X[:half])
    with torch.no_grad():
        score_XK = head(*(table[half:] for table in given)).numpy()
    return figures_of(kind, score_XK, label_X[half:].numpy(), label_X[:half].numpy())


def test_chances() -> None:
    user_XP = embeddings()
    figures = fitted(LabelKind.BINARY, (user_XP[:, 0] > 3.0).float(), user_XP)
    assert figures["auc"] > 0.98
    assert figures["log_loss"] < 0.5 * figures["base_log_loss"]


def test_numbers() -> None:
    user_XP = embeddings()
    figures = fitted(LabelKind.REAL, 100.0 + 10.0 * user_XP[:, 1], user_XP)
    assert figures["rmse"] < 0.05 * figures["base_rmse"]


def test_classes() -> None:
    user_XP = embeddings()
    figures = fitted(LabelKind.CLASS, user_XP[:, :3].argmax(1).float(), user_XP)
    assert figures["accuracy"] > 0.9 > 0.5 > figures["base_accuracy"]
    assert figures["log_loss"] < 0.5 * figures["base_log_loss"]


def test_what_a_user_and_an_entity_have_in_common() -> None:
    user_XP, entity_XP = embeddings() - 3.0, embeddings(1) - 3.0
    label_X = ((user_XP * entity_XP).sum(1) > 0.0).float()
    assert fitted(LabelKind.BINARY, label_X, user_XP, entity_XP)["auc"] > 0.95
    assert fitted(LabelKind.BINARY, label_X, user_XP)["auc"] < 0.7


def test_a_feature_that_never_varies_is_no_fault() -> None:
    user_XP = embeddings()
    user_XP[:, 5] = 1.0
    assert fitted(LabelKind.BINARY, (user_XP[:, 0] > 3.0).float(), user_XP)["auc"] > 0.98


def test_a_test_of_one_label_has_no_auc() -> None:
    figures = figures_of(
        LabelKind.BINARY,
        np.array([[0.4], [0.6]], np.float32),
        np.ones(2, np.float32),
        np.array([0.0, 1.0], np.float32),
    )
    assert set(figures) == {"log_loss", "base_log_loss"}
    assert figures["base_log_loss"] == pytest.approx(np.log(2.0))
