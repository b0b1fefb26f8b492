"""What `pagecast train` does with the model it has made."""

from pathlib import Path

import pytest
from factories_databases import migrated

from pagecast.cli.settings import Settings, load_settings
from pagecast.cli.training.choices import Promotion
from pagecast.cli.training.outcome import promoted
from pagecast.featurestore.models.records import CHALLENGER, CHAMPION
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.models.verdicts import Criterion, Verdict
from pagecast.trainer.job import TrainOutcome


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a registry where v0 serves."""
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path / 'pagecast.db'}"
    engine = migrated(url)
    registry = Registry(engine)
    for version in ("v0", "v1"):
        registry.register(version, parent_version=None, metrics={}, data={})
    registry.promote("v0", by="ada")
    engine.dispose()
    return load_settings(database_url=url)


def outcome(champion: str | None, *, passed: bool = True) -> TrainOutcome:
    criterion = Criterion(name="keeps_rules", passed=passed, told="")
    verdict = Verdict(champion=champion, judged_at_ms=0, criteria=(criterion,))
    return TrainOutcome(version="v1", bundle=Path("v1"), metrics={}, quality=None, verdict=verdict)


@pytest.mark.parametrize(
    ("judged", "promotion", "alias"),
    [
        (outcome("v0"), Promotion.GATE, CHAMPION),
        (outcome("v0", passed=False), Promotion.GATE, CHALLENGER),
        (outcome("before"), Promotion.GATE, CHALLENGER),
        (outcome(None), Promotion.GATE, CHALLENGER),
        (outcome("before"), Promotion.ALWAYS, CHAMPION),
        (outcome("v0"), Promotion.FIRST, CHALLENGER),
    ],
    ids=["passed", "refused", "beside another", "beside none", "always", "not the first"],
)
def test_a_model_is_promoted_over_the_one_it_was_compared_with(
    settings: Settings, judged: TrainOutcome, promotion: Promotion, alias: str
) -> None:
    assert promoted(settings, judged, promotion).aliases == (alias,)
