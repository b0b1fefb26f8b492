"""The documents tell the truth about the tree."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from pagecast.cli.main import app
from pagecast.cli.settings import SETTINGS_FILE, load_settings

ROOT = Path(__file__).parent.parent
PACKAGES = {
    path.name: path
    for folder in ("featurestore", "streaming", "trainer", "server", "simulator", "cli")
    for path in (ROOT / folder / "pagecast").iterdir()
}
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]
SETTINGS = [
    (page.name, block)
    for page in PAGES
    for block in re.findall(r"^```toml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
]
ARCHITECTURE = ROOT / "docs" / "architecture.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_file_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|proto|yaml|md))`", page.read_text())
    missing = [name for name in named if not _exists(name)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_section_of_a_paper_that_the_code_names_is_told() -> None:
    told = set(re.findall(r"^- \*\*(\d\.\d+)", (ROOT / "docs" / "papers.md").read_text(), re.M))
    sources = "".join(
        path.read_text() for package in PACKAGES.values() for path in package.rglob("*.py")
    )
    named = set(re.findall(r"docs/papers\.md (\d\.\d+)", sources))
    assert named
    assert named - told == set()


@pytest.mark.parametrize(("name", "block"), SETTINGS)
def test_every_block_of_settings_is_taken(
    name: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / SETTINGS_FILE).write_text(block)
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert settings.model_fields_set, "it says something"
    settings.fold.config()
    settings.triggers.config()


def test_the_readme_lists_every_command() -> None:
    text = (ROOT / "README.md").read_text()
    listed = re.search(r"`pagecast --help` lists the commands: ([^.]*)\.", text)
    assert listed is not None
    command: Any = typer.main.get_command(app)
    assert set(re.findall(r"`([a-z]+)`", listed[1])) == {
        name for name, one in command.commands.items() if not one.hidden
    }


def test_comments_number_the_life_of_an_event_as_the_document_does() -> None:
    life = ARCHITECTURE.read_text().partition("## The life of an event")[2].partition("\n## ")[0]
    steps = dict(re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |^$)", life, re.MULTILINE | re.DOTALL))
    folder = PACKAGES["streaming"]
    found = {
        (number, f"streaming/{path.name}")
        for path in folder.glob("*.py")
        for number in re.findall(r"^ *# (\d+)[ab]?\. (?!to )", path.read_text(), re.MULTILINE)
    }
    assert found, "there are such comments"
    assert {at for at in found if f"`{at[1]}`" not in steps.get(at[0], "")} == set()


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text()
    missing = [path.name for path in folder.glob("0*.md") if f"({path.name})" not in index]
    assert missing == []


def _exists(name: str) -> bool:
    package, _, rest = name.partition("/")
    return (ROOT / name).exists() or (package in PACKAGES and (PACKAGES[package] / rest).exists())
