import numpy as np
import pytest

from pagecast.featurestore.catalog.content import content_vector


def test_a_vector_keeps_its_direction_and_not_its_length() -> None:
    short, long = content_vector("text", [0.3, 0.4]), content_vector("text", [300.0, 400.0])
    assert short == long
    assert short is not None
    np.testing.assert_allclose(short.values_C, [0.6, 0.8], rtol=1e-3)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_no_finite_length_is_too_small_or_too_large(scale: float) -> None:
    vector = content_vector("text", [-scale, scale])
    assert vector is not None
    np.testing.assert_allclose(vector.values_C, [-(0.5**0.5), 0.5**0.5], rtol=1e-3)


def test_zeros_have_no_direction() -> None:
    assert content_vector("text", [0.0, 0.0]) is None


def test_a_dimension_takes_two_bytes() -> None:
    vector = content_vector("text", list(range(384)))
    assert vector is not None
    assert (vector.dimensions, len(vector.half)) == (384, 768)
