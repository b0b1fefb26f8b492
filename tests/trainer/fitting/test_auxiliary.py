"""Genres and languages of the next entities, predicted by heads of their own."""

import math

import pytest
import torch
from torch import nn

from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.batches.targets import Targets
from pagecast.trainer.config import ModelConfig
from pagecast.trainer.fitting.auxiliary import Labels, auxiliary_losses
from pagecast.trainer.network.heads import OutputHead

LABELS = Labels.of(
    {
        "genres_EG": torch.tensor([[0.0, 1, 1], [0.0, 0, 1], [0.0, 0, 0]]),
        "language_E": torch.tensor([1, 2, 0]),
    }
)
"""A drama and comedy in a language, a comedy in another, and one of which nothing is known."""


def head() -> OutputHead:
    vocabulary = Vocabulary(
        entities=(),
        entity_interactions=(),
        rows=(),
        genres=("Drama", "Comedy"),
        languages=("de", "en"),
        countries=(),
        devices=(),
        surfaces=(),
    )
    torch.manual_seed(0)
    made = OutputHead(ModelConfig(d_model=4), vocabulary)
    for parameter in made.parameters():
        nn.init.normal_(parameter)
    return made


DECODED_XD = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))


def expected(position: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What is to pay for each genre and language there, in nats."""
    genre, language = head().logits(DECODED_XD[position])
    return -torch.log_softmax(genre, -1), -torch.log_softmax(language, -1)


def test_a_target_shares_its_weight_among_its_genres() -> None:
    genres, languages = auxiliary_losses(
        head(), DECODED_XD, Targets.of([4], [{0: 2.0}], 1.0), LABELS
    )
    genre, language = expected(4)
    torch.testing.assert_close(genres, (genre[1] + genre[2]) / 2)
    torch.testing.assert_close(languages, language[1])


def test_targets_ahead_count_as_decayed_as_their_entities() -> None:
    targets = Targets.of([2, 5], [{1: 1.0}, {0: 1.0, 1: 1.0}], 0.5)
    _, languages = auxiliary_losses(head(), DECODED_XD, targets, LABELS)
    near, far = expected(2)[1], expected(5)[1]
    torch.testing.assert_close(languages, (near[2] + 2 / 3 * far[1] + 1 / 3 * far[2]) / 2)


def test_a_target_of_which_nothing_is_known_asks_for_nothing() -> None:
    both = auxiliary_losses(head(), DECODED_XD, Targets.of([2], [{2: 1.0}], 1.0), LABELS)
    assert [loss.item() for loss in both] == [0.0, 0.0]


@pytest.mark.parametrize("labels", [LABELS, None])
def test_without_targets_or_labels_there_is_no_loss(labels: Labels | None) -> None:
    targets = Targets.of([], [], 1.0) if labels else Targets.of([2], [{0: 1.0}], 1.0)
    both = auxiliary_losses(head(), DECODED_XD, targets, labels)
    assert [loss.item() for loss in both] == [0.0, 0.0]


def test_some_entities_keep_their_labels() -> None:
    some = LABELS.of_some(torch.tensor([1, 0]))
    assert some.language_E.tolist() == [2, 1]
    assert math.isclose(float(some.genre_EG[1, 1]), 0.5)
