"""The documents tell the truth about what is in the tree."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    path.name: path
    for folder in ("featurestore", "streaming", "trainer", "server", "cli")
    for path in (ROOT / folder / "pagecast").iterdir()
}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_file_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|proto|yaml|md))`", page.read_text())
    missing = [name for name in named if not _exists(name)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def _exists(name: str) -> bool:
    package, _, rest = name.partition("/")
    return (ROOT / name).exists() or (package in PACKAGES and (PACKAGES[package] / rest).exists())
