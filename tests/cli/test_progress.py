from io import StringIO

from rich.console import Console

from pagecast.cli.progress import progress_bar


def test_a_long_note_takes_no_room_from_what_and_how_far() -> None:
    written = StringIO()
    with progress_bar(Console(file=written, width=80)) as progress:
        progress.add_task("reading the feature store", total=1.0, completed=0.5, note="")
        note = "loss 4.288, of rows 2.589 · 386 tokens/s, padding 48% and more of the kind"
        progress.add_task("training", total=1.0, completed=0.25, note=note)
    said = written.getvalue()
    assert "reading the feature store" in said
    assert "50 %" in said
    assert "25 %" in said
    assert "…" not in said
    assert "padding" in said
