import pytest

from pagecast.cli.data.titles import readable_title


@pytest.mark.parametrize(
    ("source", "readable"),
    [
        ("Usual Suspects, The", "The Usual Suspects"),
        ("Misérables, Les", "Les Misérables"),
        ("Grand Day Out, A", "A Grand Day Out"),
        ("Uomo delle stelle, L'", "L'Uomo delle stelle"),
        ("Good, The Bad and The Ugly, The", "The Good, The Bad and The Ugly"),
        ("Blue Angel, The (Blaue Engel, Der)", "The Blue Angel (Der Blaue Engel)"),
        ("Mrs. Brown (Her Majesty, Mrs. Brown)", "Mrs. Brown (Her Majesty, Mrs. Brown)"),
        ("Paris, Texas", "Paris, Texas"),
        ("Toy Story", "Toy Story"),
    ],
)
def test_an_article_at_the_end_moves_to_the_front(source: str, readable: str) -> None:
    assert readable_title(source) == readable
