"""Which of very many logged pages are held."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.pages.logged_pages import LoggedPageOutcome
from pagecast.featurestore.pages.newest_pages import NewestPages


def added(users: Iterable[str], pages_max: int, of_user_max: int) -> NewestPages:
    """Pages of these users, one after the other; each is named by its number."""
    newest = NewestPages(pages_max, of_user_max)
    for number, user_id in enumerate(users):
        newest.add(LoggedPageOutcome(str(number), user_id, number, "", "", b"", ()))
    return newest


def names(newest: NewestPages) -> list[str]:
    return [page.page_id for page in newest.pages]


def test_the_newest_are_held_in_their_order() -> None:
    newest = added("abcde", pages_max=3, of_user_max=3)
    assert (names(newest), newest.left_out) == (["2", "3", "4"], 2)


def test_of_a_user_the_newest_are_held_and_take_no_other_s_room() -> None:
    newest = added("abpppppp", pages_max=4, of_user_max=2)
    assert (names(newest), newest.left_out) == (["0", "1", "6", "7"], 4)


@given(st.lists(st.sampled_from("abc")), st.integers(1, 6), st.integers(1, 6))
def test_no_bound_is_passed_and_the_newest_page_is_there(
    users: list[str], pages_max: int, of_user_max: int
) -> None:
    newest = added(users, pages_max, of_user_max)
    held = [users[int(name)] for name in names(newest)]
    assert len(held) <= pages_max
    assert all(held.count(user) <= of_user_max for user in "abc")
    assert len(held) + newest.left_out == len(users)
    assert not users or names(newest)[-1] == str(len(users) - 1)
