from pagecast.cli.demo.difference import difference
from pagecast.cli.pages import Page, PageEntity, PageRow


def page(**rows: str) -> Page:
    """A page of rows by id, each a string of one-letter entities."""
    return Page(
        rows=[
            PageRow(
                row_id=row_id,
                title=row_id.title(),
                argument_entity_id="",
                entities=tuple(
                    PageEntity(entity_id=letter, title=letter.upper(), kind=1) for letter in letters
                ),
            )
            for row_id, letters in rows.items()
        ]
    )


def test_the_same_page_has_no_difference() -> None:
    same = difference(page(top="abc", war="de"), page(top="abc", war="de"), [])
    assert not same.beyond_removal
    assert not same.entities_new


def test_a_watched_entity_that_left_and_one_that_moved_up_is_removal_alone() -> None:
    removed = difference(page(top="abc", war="de"), page(top="acx", war="de"), ["b"])
    assert not removed.beyond_removal
    assert removed.entities_new == ("X",)
    assert removed.entities_gone == ()


def test_an_entity_that_left_without_being_watched_is_more() -> None:
    more = difference(page(top="abc"), page(top="axy"), ["b"])
    assert more.beyond_removal
    assert more.entities_gone == ("C",)


def test_new_gone_and_moved_rows_are_more() -> None:
    more = difference(page(top="ab", war="de", sea="fg"), page(sea="fg", top="ab", air="de"), [])
    assert more.beyond_removal
    assert (more.rows_new, more.rows_gone) == (("Air",), ("War",))
    assert set(more.rows_moved) == {"Top", "Sea"}


def test_a_row_of_another_argument_is_another_row() -> None:
    before, after = page(because="ab"), page(because="ab")
    row = before.rows[0]
    after.rows[0] = PageRow(
        row_id=row.row_id, title="Of another", argument_entity_id="z", entities=row.entities
    )
    assert difference(before, after, []).rows_new == ("Of another",)
