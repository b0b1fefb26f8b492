"""A manifest is sealed: bytes other than those written are refused."""

import hashlib
import json
import math
from pathlib import Path
from random import Random

import pytest

from pagecast.engine.bundles.manifest import (
    MANIFEST_FILE,
    FileDigest,
    Manifest,
    ManifestError,
    bundle_version,
)


@pytest.fixture
def sealed(bundle_path: Path) -> bytes:
    return (bundle_path / MANIFEST_FILE).read_bytes()


def test_what_is_sealed_is_read_again(sealed: bytes) -> None:
    manifest = Manifest.unseal(sealed)
    assert manifest.seal() == sealed
    assert manifest.version == bundle_version(manifest.files)


def test_a_model_of_entity_tokens_says_nothing_of_codes(sealed: bytes) -> None:
    """Its manifest is what it was before there were any, so older bundles stay readable."""
    assert b"codes" not in sealed
    manifest = Manifest.unseal(sealed)
    assert not manifest.model.semantic
    spelled = manifest.model_copy(update={"model": manifest.model.model_copy(update={"codes": 64})})
    assert Manifest.unseal(spelled.seal()).model.codes == 64


def test_the_version_is_the_content_address_of_the_files() -> None:
    files = {"b": FileDigest.of(b"2"), "a": FileDigest.of(b"1")}
    lines = "".join(f"{n} {hashlib.sha256(d).hexdigest()}\n" for n, d in (("a", b"1"), ("b", b"2")))
    assert bundle_version(files) == hashlib.sha256(lines.encode()).hexdigest()[:16]


def test_every_flipped_bit_is_refused(sealed: bytes) -> None:
    random = Random(1)
    for bit in random.sample(range(8 * len(sealed)), 500):
        altered = bytearray(sealed)
        altered[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(ManifestError):
            Manifest.unseal(bytes(altered))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "no `sha256`"),
        (b'{"format": 1}', "no `sha256`"),
        (b'{"format": 1, "sha256": "x"}', "`format`: 1 is of an older version: train a new model"),
        (b'{"format": 2, "sha256": "x"}', "`format`: 2 is of an older version: train a new model"),
        (b'{"format": 3, "sha256": "x"}', "`format`: 3 is of an older version: train a new model"),
        (b'{"format": 5, "sha256": "x"}', "`format`: Input should be 4"),
    ],
    ids=range(9),
)
def test_what_is_no_manifest_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        Manifest.unseal(data)


@pytest.mark.parametrize(
    ("field", "value"),
    [("version", "../../etc"), ("opset", "20"), ("surprise", 1), ("model", {"d_model": 0})],
)
def test_a_bad_field_is_named(sealed: bytes, field: str, value: object) -> None:
    contents = json.loads(sealed) | {field: value}
    with pytest.raises(ManifestError, match=f"`{field}"):
        Manifest.unseal(json.dumps(contents).encode())


def test_another_spelling_of_the_same_contents_is_refused(sealed: bytes) -> None:
    with pytest.raises(ManifestError, match="do not match"):
        Manifest.unseal(json.dumps(json.loads(sealed)).encode())


def test_a_number_that_json_has_not_is_never_sealed(sealed: bytes) -> None:
    manifest = Manifest.unseal(sealed).model_copy(update={"metrics": {"loss": math.nan}})
    with pytest.raises(ValueError, match="JSON"):
        manifest.seal()
