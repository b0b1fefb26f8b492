from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pagecast.cli.data.text_cache import TextCache
from pagecast.cli.exits import CommandError


class Embedder:
    """Counts what it embeds."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str) -> npt.NDArray[np.float32]:
        self.texts.append(text)
        return np.array([len(text), 0.1], np.float32)


def test_a_text_is_embedded_once_also_by_a_later_command(tmp_path: Path) -> None:
    embedder, path = Embedder(), tmp_path / "data" / "cache.db"
    with TextCache(path, "model") as cache:
        first = [cache.vector(text, embedder) for text in ("a", "bb", "a")]
        assert cache.made == 2
    with TextCache(path, "model") as cache:
        again = [cache.vector(text, embedder) for text in ("a", "bb", "a")]
        assert cache.made == 0
    np.testing.assert_array_equal(first, again)
    assert embedder.texts == ["a", "bb"]


def test_another_model_has_vectors_of_its_own(tmp_path: Path) -> None:
    embedder = Embedder()
    for model in ("one", "other"):
        with TextCache(tmp_path / "cache.db", model) as cache:
            cache.vector("a", embedder)
    assert embedder.texts == ["a", "a"]


def test_what_was_embedded_before_a_failure_is_kept(tmp_path: Path) -> None:
    embedder = Embedder()
    with pytest.raises(KeyboardInterrupt), TextCache(tmp_path / "cache.db", "m") as cache:
        cache.vector("a", embedder)
        raise KeyboardInterrupt
    with TextCache(tmp_path / "cache.db", "m") as cache:
        cache.vector("a", embedder)
    assert embedder.texts == ["a"]


def test_a_file_that_is_no_cache_is_told_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    path.write_bytes(b"something else, longer than a header of SQLite" * 10)
    with pytest.raises(CommandError, match=r"cache\.db: .*; delete the file"):
        TextCache(path, "m")
