"""The feature repository as Feast's own commands see it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

FEATURESTORE = Path(__file__).parents[3] / "featurestore"

APPLY_AND_LIST = """
from pagecast.featurestore.online.feast_import import import_feast
import_feast()
from feast.cli.cli import cli
cli(["--chdir", sys.argv[1], "apply"], standalone_mode=False)
"""

OFFLINE = """
import os, socket, sys
from pathlib import Path

def refuse(*_):
    raise AssertionError("a connection to the outside")

socket.socket.connect = refuse
import typeguard
checked = typeguard.typechecked
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.state import StatePaths
features = OnlineFeatures.open(StatePaths(root=Path(sys.argv[1])))
assert features.read_history("ada") is None
features.close()
assert "torch" not in sys.modules, "a server installs without it"
assert typeguard.typechecked is checked, "Feast is imported lean, the rest as ever"
"""


def run(code: str, argument: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "import sys\n" + code, str(argument)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_feast_apply_registers_what_we_open(tmp_path: Path) -> None:
    from pagecast.featurestore.online.store import OnlineFeatures
    from pagecast.featurestore.state import StatePaths

    state = StatePaths(root=tmp_path / "state").create()
    output = run(APPLY_AND_LIST, FEATURESTORE, PAGECAST_STATE_DIR=str(state.root))
    assert "history" in output
    applied = state.feast_registry.read_bytes()
    OnlineFeatures.open(state).close()
    assert state.feast_registry.read_bytes() == applied, "there was nothing left to apply"


def test_the_yaml_says_what_we_build(tmp_path: Path) -> None:
    from pagecast.featurestore.online.feast_import import import_feast
    from pagecast.featurestore.state import StatePaths

    import_feast()
    from pagecast.featurestore.online.definitions import repo_config

    text = (FEATURESTORE / "feature_store.yaml").read_text()
    stated = yaml.safe_load(text.replace("${PAGECAST_STATE_DIR}", str(tmp_path)))
    built = repo_config(StatePaths(root=tmp_path))
    assert stated["project"] == built.project
    assert stated["registry"]["path"] == built.registry.path
    assert stated["registry"]["cache_ttl_seconds"] == built.registry.cache_ttl_seconds
    assert stated["online_store"]["type"] == built.online_store.type
    assert stated["online_store"]["path"] == built.online_store.path
    assert stated["entity_key_serialization_version"] == built.entity_key_serialization_version


def test_the_yaml_shows_the_alternative_that_we_build(tmp_path: Path) -> None:
    from pagecast.featurestore.online.definitions import repo_config
    from pagecast.featurestore.state import StatePaths

    text = (FEATURESTORE / "feature_store.yaml").read_text()
    shown = re.search(r"  # type: (\S+)\n  # url: (\S+)\n", text)
    assert shown is not None
    built = repo_config(StatePaths(root=tmp_path), "redis://:secret@store")
    assert shown[1] == built.online_store.type
    assert shown[2] == "${PAGECAST_ONLINE_STORE_URL}"
    assert built.online_store.url.get_secret_value() == "redis://:secret@store"
    assert "secret" not in repr(built) + str(built.online_store)


def test_every_view_can_be_erased(tmp_path: Path) -> None:
    """`views` is what an erasure empties: it has to name them all."""
    from dataclasses import fields

    from feast import FeatureView

    from pagecast.featurestore.online.definitions import Definitions

    made = Definitions.of(tmp_path)
    all_of_them = [getattr(made, field.name) for field in fields(made)]
    assert made.views == [one for one in all_of_them if isinstance(one, FeatureView)]


def test_feast_is_asked_to_ignore_the_package() -> None:
    assert "pagecast" in (FEATURESTORE / ".feastignore").read_text().splitlines()


def test_opening_sends_nothing_leaves_the_home_alone_and_loads_no_torch(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    run(OFFLINE, tmp_path / "state", HOME=str(home), XDG_CACHE_HOME=str(home / ".cache"))
    assert list(home.iterdir()) == []
