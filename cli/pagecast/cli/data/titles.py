"""Titles as people write them: "Usual Suspects, The" is "The Usual Suspects"."""

import re

_ARTICLES = (
    "The|A|An|"
    "Le|La|Les|L'|Un|Une|"
    "Il|Lo|I|Gli|"
    "El|Los|Las|"
    "Der|Die|Das|"
    "Det|Den|De|Het|O|Os|As"
)  # fmt: skip
_INVERTED = re.compile(rf"^(?P<title>.+), (?P<article>{_ARTICLES})$")
_PARTS = re.compile(r"^(?P<title>.+?) \((?P<other>[^()]+)\)$")


def readable_title(title: str) -> str:
    """Moves a trailing article to the front, in the title and in a title in brackets."""
    if parts := _PARTS.match(title):
        return f"{readable_title(parts['title'])} ({_article_first(parts['other'])})"
    return _article_first(title)


def _article_first(title: str) -> str:
    found = _INVERTED.match(title.strip())
    if found is None:
        return title.strip()
    article = found["article"]
    return f"{article}{'' if article.endswith(chr(39)) else ' '}{found['title']}"
