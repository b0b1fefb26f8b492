"""`pagecast evaluate` on a small folder that the test writes."""

import json
from pathlib import Path

import pytest
from cli.factories_cli import document, pagecast
from cli.factories_interchange import USERS, write_folder
from factories import movie, upsert
from google.protobuf.json_format import MessageToDict
from typer.testing import CliRunner

from pagecast.cli.exits import CliError, ExitCode
from pagecast.cli.main import app
from pagecast.trainer.evaluation.systems.families import SYSTEMS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("evaluate") / "data")


def test_the_document_has_every_system_and_its_figures(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = document(
        pagecast(
            *("evaluate", "--data", str(folder), "--json", "--html", str(page)),
            *("--budget-minutes", "0.01", "--seeds", "0,1"),
            cwd=tmp_path,
        )
    )
    assert (done["protocol"], done["data"]) == ("leave-one-out", str(folder))
    assert len(done["split_sha256"]) == 64
    assert done["targets"] == USERS
    assert [system["name"] for system in done["systems"]] == list(SYSTEMS)
    for system in done["systems"]:
        for which in ("masked", "unmasked"):
            figures = system[which]
            assert set(figures) == {"ndcg_at_10", "hr_at_10", "mrr", "ndcg_at_10_interval"}
            low, high = figures["ndcg_at_10_interval"]
            assert 0.0 <= low <= figures["ndcg_at_10"] <= high <= 1.0
        assert system["cpu_seconds"] > 0
        assert ("difference" in system) == (system["name"] != "ease-recency")
    by_name = {system["name"]: system for system in done["systems"]}
    assert set(by_name["ease-recency"]["chosen"]) == {"lambda", "half"}
    assert by_name["pagecast"]["chosen"] == {}
    assert [run["seed"] for run in by_name["pagecast"]["seeds"]] == [0, 1]
    assert page.read_text().startswith("<!doctype html>")
    assert not (tmp_path / ".pagecast").exists(), "own data leave no trace"


def test_pages_are_made_for_systems_that_can(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    arguments = ["--systems", "popularity,ease-recency", "--pages", "3", "--html", str(page)]
    done = CliRunner().invoke(app, ["evaluate", "--data", str(folder), "--json", *arguments])
    assert done.exit_code == ExitCode.OK, done.exception
    popularity, ease = json.loads(done.stdout)["systems"]
    assert popularity["pages"]["pages"] == 3
    assert popularity["pages"]["rules_kept"] == 1.0
    assert popularity["pages"]["calibration"] is None
    assert "pages" not in ease
    assert "Whole pages" in page.read_text()


def test_cold_start_tells_its_other_questions(folder: Path) -> None:
    arguments = ["--protocol", "cold-start", "--systems", "popularity,metadata-knn"]
    done = CliRunner().invoke(app, ["evaluate", "--data", str(folder), *arguments])
    assert done.exit_code == ExitCode.OK, done.exception
    for text in ("among themselves", "not cold", "less that of metadata-knn"):
        assert text in done.stdout


def test_retraining_on_the_way_is_told_in_every_form(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    arguments = ["--protocol", "prequential", "--systems", "popularity,ease", "--html", str(page)]
    arguments += ["--data", str(folder), "--retrain-every", "2"]
    done = CliRunner().invoke(app, ["evaluate", *arguments])
    assert done.exit_code == ExitCode.OK, done.exception
    assert "retrained after every 2 targets" in done.stdout
    assert "Retrained after every 2 targets." in page.read_text()
    done = CliRunner().invoke(app, ["evaluate", "--json", *arguments])
    assert json.loads(done.stdout)["retrain_every"] == 2


def test_logged_needs_pages_that_were_seen(tmp_path: Path) -> None:
    error = (
        CliRunner().invoke(app, ["evaluate", "--logged", "--state-dir", str(tmp_path)]).exception
    )
    assert isinstance(error, CliError)
    assert error.exit_code == ExitCode.BAD_INPUT
    assert "no page of a model has an impression" in str(error)


def test_the_table_is_for_people(folder: Path) -> None:
    arguments = ["--systems", "popularity,ease-recency", "--staleness", "0,5"]
    done = CliRunner().invoke(
        app, ["evaluate", "--data", str(folder), "--protocol", "prequential", *arguments]
    )
    assert done.exit_code == ExitCode.OK, done.exception
    for text in ("Masked", "Unmasked", "less that of ease-recency", "by slice", "fresh", "lambda"):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--protocol", "weekly"), "protocol: 'weekly' is not known"),
        (("--systems", "bert"), "systems: 'bert' is not known"),
        (("--data", "nowhere"), "--data: 'nowhere' is neither"),
        (("--html", "no/where.html"), "--html: no is no folder"),
    ],
)
def test_bad_input_exits_2_and_names_the_option(
    arguments: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(app, ["evaluate", *arguments]).exception
    assert isinstance(error, CliError)
    assert error.exit_code == ExitCode.BAD_INPUT
    assert told in str(error)


def test_embeddings_that_do_not_fit_together_are_told_with_the_entity(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data")
    with (folder / "catalog.jsonl").open("a") as file:
        for entity_id, values in (("e1", [1.0, 2.0]), ("e2", [1.0])):
            entity = movie(entity_id)
            entity.embeddings.add(name="text", values=values)
            file.write(json.dumps(MessageToDict(upsert(entity))) + "\n")
    arguments = ["--data", str(folder), "--systems", "pagecast", "--budget-minutes", "0.01"]
    error = CliRunner().invoke(app, ["evaluate", *arguments]).exception
    assert isinstance(error, CliError)
    assert error.exit_code == ExitCode.BAD_INPUT
    assert "entity e2: embedding 'text' has 1 dimensions, others of that name have 2" in str(error)
