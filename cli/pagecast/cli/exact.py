"""How many entities of a row are decoded one by one, as typed on the command line."""

from pagecast.cli.exits import InputError
from pagecast.rules.facts import ENTITIES_PER_ROW_MAX, ROWS_MAX


def exact_of(told: str) -> tuple[int, ...]:
    """Reads "10,3,1": a number for each of the first rows, the last one also for all rows below.
    "" gives just 0, which means the server's default. Raises InputError."""
    if not told:
        return (0,)
    try:
        numbers = tuple(int(part) for part in told.split(","))
    except ValueError:
        numbers = ()
    if not 1 <= len(numbers) <= ROWS_MAX or not all(
        1 <= number <= ENTITIES_PER_ROW_MAX for number in numbers
    ):
        raise InputError(
            f"--exact: {told!r} is not 1 to {ROWS_MAX} numbers from 1 to {ENTITIES_PER_ROW_MAX}"
            " with commas between them",
            "for example 3, or 10,3,1 for a first row that is exact",
        )
    return numbers
