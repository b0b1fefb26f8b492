"""The config is frozen: its hash is in the documents, and in every report."""

import dataclasses
from pathlib import Path

from pagecast.simulator.config import AttentionConfig, SimulatorConfig

ALIGNMENT = Path(__file__).parents[2] / "docs" / "alignment.md"


def test_the_document_names_the_config_that_is_in_force() -> None:
    assert f"`{SimulatorConfig().sha256}`" in ALIGNMENT.read_text()


def test_another_value_is_another_config() -> None:
    config = SimulatorConfig()
    changed = dataclasses.replace(config, attention=AttentionConfig(row_decay=0.81))
    assert changed.sha256 != config.sha256 == SimulatorConfig().sha256
