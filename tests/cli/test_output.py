"""Commands print texts as they are: none of them becomes a command to the terminal."""

import json

import pytest

from pagecast.cli.output import Output

HOSTILE = ("[/x]", "[bold]loud[/]", "[x] and [REC]", ":warning:", "back\\[slash]")


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_are_shown_as_they_are(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False)
    output.say(text)
    output.say(("styled: ", "dim"), text)
    output.table(text, ("name", "why"), [(text, text)])
    shown = capsys.readouterr().out
    assert shown.count(text) == 5


def test_a_document_does_not_hang_on_what_people_would_have_seen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = Output(as_json=True)
    output.table("", ("name",), [("[/x]",)])
    output.document({"name": "[/x]"})
    assert json.loads(capsys.readouterr().out) == {"name": "[/x]"}


def test_what_names_a_row_is_in_one_piece_and_nothing_is_cut_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    version, parent = "3f9a0c12d4e5f607", "297069adef73986d"
    row = (version, "2026-11-27 12:00:00", "champion challenger", "passed by its gate", parent)
    Output(as_json=False).table("", ("version", "when", "aliases", "gate", "parent"), [row])
    shown = capsys.readouterr().out
    assert version in shown
    assert "…" not in shown


def test_a_text_in_front_leaves_room_for_the_rest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    text = "how long it takes until the first row of a page is there, in milliseconds"
    Output(as_json=False).table("", ("what", "ours"), [(text, "23.4567 ms")])
    shown = capsys.readouterr().out
    assert "23.4567 ms" in shown
    assert " ".join(word for word in shown.replace("23.4567 ms", "").split()[2:]) == text
