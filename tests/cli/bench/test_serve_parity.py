"""What another provider computes differently from the CPU, from the same bundle, is reported."""

from pathlib import Path

from engine.factories_batch import rules_of
from engine.factories_engine import TinyModel, prompt_of, vocabulary_of, write_bundle
from rules.factories_rules import entity, predicate_row, snapshot

from pagecast.cli.bench.rows import Row
from pagecast.cli.bench.serve.parity import rows_of_parity
from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.model import Model

CATALOG = snapshot([entity(f"e{i}", "Comedy") for i in range(60)], [predicate_row("all")])


def model(folder: Path, seed: int = 0) -> Model:
    path = write_bundle(folder, vocabulary_of(CATALOG), TinyModel(seed=seed))
    return Model(load_bundle(path), CATALOG)


def parity(other: Model, cpu: Model) -> tuple[Row, Row]:
    difference, equal = rows_of_parity(
        "cuda fp32", other, cpu, prompt_of("e1", "e2"), rules_of(cpu)
    )
    return difference, equal


def test_what_computes_the_same_is_equal(tmp_path: Path) -> None:
    difference, equal = parity(model(tmp_path / "a"), model(tmp_path / "b"))
    assert (difference.ours, difference.reached) == (0.0, True)
    assert equal.ours == 1.0


def test_what_computes_something_else_is_noticed(tmp_path: Path) -> None:
    difference, equal = parity(model(tmp_path / "a", seed=1), model(tmp_path / "b"))
    assert difference.reached is False
    assert equal.ours < 1.0
