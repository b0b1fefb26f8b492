import re
from dataclasses import fields
from pathlib import Path

import pytest

from pagecast.cli.commands.serve import _server_config
from pagecast.cli.discovery import bootstrap_servers, bootstrap_servers_of_a_stack
from pagecast.cli.exits import ExitCode, InputError
from pagecast.cli.settings import ServeSettings, TriggersSettings, load_settings
from pagecast.cli.training.config import config_of
from pagecast.eventlog.bootstrap import Mechanism, Protocol, SecuredKafka
from pagecast.featurestore.history.fold import DEFAULT_FOLD, NEVER
from pagecast.featurestore.history.steps import Action
from pagecast.featurestore.pages.reward import Outcome, RewardConfig
from pagecast.featurestore.state import StatePaths
from pagecast.server.config import ServerConfig
from pagecast.streaming.trigger_config import TriggersConfig


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PAGECAST_STATE_DIR", raising=False)


def test_defaults_keep_everything_under_dot_pagecast() -> None:
    settings = load_settings()
    assert settings.state_dir == Path(".pagecast")
    assert settings.bootstrap_servers is None


def test_the_file_wins_over_defaults(tmp_path: Path) -> None:
    (tmp_path / "pagecast.toml").write_text('state_dir = "from-file"\n')
    assert load_settings().state_dir == Path("from-file")


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pagecast.toml").write_text('state_dir = "from-file"\n')
    monkeypatch.setenv("PAGECAST_STATE_DIR", "from-environment")
    assert load_settings().state_dir == Path("from-environment")


def test_an_option_wins_over_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pagecast.toml").write_text('state_dir = "from-file"\n')
    monkeypatch.setenv("PAGECAST_STATE_DIR", "from-environment")
    assert load_settings(state_dir=Path("option")).state_dir == Path("option")


def test_an_option_that_was_not_given_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGECAST_STATE_DIR", "from-environment")
    assert load_settings(state_dir=None).state_dir == Path("from-environment")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGECAST_LOG_LEVEL", "")
    assert load_settings().log_level == "info"


def test_other_pagecast_variables_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGECAST_TEST_SEED", "7")
    load_settings()


def test_an_unknown_name_in_the_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "pagecast.toml").write_text('state_dri = "typo"\n')
    with pytest.raises(InputError, match="'state_dri': there is none of that name") as refused:
        load_settings()
    assert refused.value.exit_code == ExitCode.BAD_INPUT


def test_a_wrong_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGECAST_LOG_LEVEL", "loud")
    with pytest.raises(InputError, match="log_level"):
        load_settings()


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pagecast.toml").write_text("state_dir = \n")
    with pytest.raises(InputError, match=r"pagecast\.toml is not TOML"):
        load_settings()


def test_triggers_are_what_the_worker_says_unless_they_are_set(tmp_path: Path) -> None:
    assert load_settings().triggers.config() == TriggersConfig()
    (tmp_path / "pagecast.toml").write_text("[triggers]\nevents = 5000\ndrift = 0\n")
    config = load_settings().triggers.config()
    assert (config.events, config.drift) == (5000, 0)
    assert config.schedule_hours == TriggersConfig().schedule_hours


def test_triggers_can_be_set_by_the_names_the_worker_knows() -> None:
    assert set(TriggersSettings.model_fields) == {field.name for field in fields(TriggersConfig)}


def test_the_document_sets_triggers_that_exist(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
    blocks = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    [block] = [block for block in blocks if "[triggers]" in block]
    (tmp_path / "pagecast.toml").write_text(block)
    config = load_settings().triggers.config()
    assert config.schedule_hours == 0
    assert config.pause_minutes == 30


def test_a_trigger_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "pagecast.toml").write_text("[triggers]\nmoon = 1\n")
    with pytest.raises(InputError, match=r"triggers\.moon"):
        load_settings()


def test_a_bad_online_store_url_is_refused_by_name_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PAGECAST_ONLINE_STORE_URL", "redis://:secret@one,two")
    with pytest.raises(InputError, match="online_store_url") as refused:
        load_settings()
    assert "redis+cluster://" in refused.value.message
    assert "secret" not in refused.value.message


def test_an_empty_online_store_url_is_sqlite_whatever_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "pagecast.toml").write_text('online_store_url = "redis://store"\n')
    assert load_settings().online_store_url == "redis://store"
    assert load_settings(online_store_url="").online_store_url is None


def test_the_fold_is_made_of_minutes_by_action(tmp_path: Path) -> None:
    (tmp_path / "pagecast.toml").write_text(
        "[fold]\nlateness_minutes = 5\nmerge_gap_minutes = { play_feature = 45, click = -1 }\n"
    )
    fold = load_settings().fold.config()
    assert fold.lateness_ms == 300_000
    assert fold.merge_gap_ms[Action.PLAY_FEATURE] == 45 * 60_000
    assert fold.merge_gap_ms[Action.CLICK] == NEVER
    assert fold.merge_gap_ms[Action.RATE] == DEFAULT_FOLD.merge_gap_ms[Action.RATE]


def test_the_default_fold_is_the_feature_store_s() -> None:
    assert load_settings().fold.config() == DEFAULT_FOLD


@pytest.mark.parametrize("gap", ["watch = 1", "click = -2"])
def test_a_gap_that_means_nothing_is_refused(gap: str, tmp_path: Path) -> None:
    (tmp_path / "pagecast.toml").write_text(f"[fold]\nmerge_gap_minutes = {{ {gap} }}\n")
    with pytest.raises(InputError, match=r"fold\.merge_gap_minutes"):
        load_settings().fold.config()


def test_a_trigger_that_cannot_work_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "pagecast.toml").write_text("[triggers]\ndrift = 2\n")
    with pytest.raises(InputError, match=r"triggers.*drift"):
        load_settings().triggers.config()


def test_serve_has_the_servers_own_defaults(tmp_path: Path) -> None:
    told = ServeSettings().model_dump(exclude={"workers"})
    plain = ServerConfig(state=StatePaths(root=tmp_path))
    assert told == {name: getattr(plain, name) for name in told}


def test_a_reward_table_is_one_for_training_serving_and_reports(tmp_path: Path) -> None:
    table = {outcome.value: worth for outcome, worth in RewardConfig().table.items()}
    table["hidden"] = -3.0
    told = "".join(f"{name} = {worth}\n" for name, worth in table.items())
    (tmp_path / "pagecast.toml").write_text(f"[reward]\n{told}")
    settings = load_settings()
    assert settings.rewards().table[Outcome.HIDDEN] == -3.0
    assert config_of(settings).reward == settings.rewards()
    assert _server_config(settings).rewards == settings.rewards()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("binge = 2.0", "setting 'reward': reward.table: no value for completed"),
        ("binged = 2.0", "setting 'reward': reward.table: no outcome is named binged"),
        ("binge = nan", "setting 'reward': reward.table: binge: give a finite number"),
        ('binge = "much"', "setting 'reward.binge'"),
    ],
)
def test_a_reward_table_that_cannot_be_taken_is_told_by_name(
    line: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "pagecast.toml").write_text(f"[reward]\n{line}\n")
    with pytest.raises(InputError, match=told):
        load_settings().rewards()


def test_the_document_of_the_settings_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    [block] = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "pagecast.toml").write_text(block)
    monkeypatch.setenv("PAGECAST_SERVE__PORT", "50052")
    monkeypatch.setenv("PAGECAST_TRAIN__ALIGN__SEED", "7")
    monkeypatch.setenv("PAGECAST_TRAIN__ALIGN__CRITICAL_ROWS", '["top"]')
    monkeypatch.setenv("PAGECAST_FOLD__MERGE_GAP_MINUTES", '{"click": -1}')
    settings = load_settings()
    assert (settings.serve.port, settings.serve.workers) == (50052, 4)
    assert (settings.train.align.seed, settings.train.align.critical_rows) == (7, ("top",))
    assert settings.fold.merge_gap_minutes == {"click": -1}
    monkeypatch.setenv("PAGECAST_SERVE__PROT", "50052")
    with pytest.raises(InputError, match=r"serve\.prot"):
        load_settings()


def test_how_kafka_lets_us_in_is_read_from_file_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").touch()
    (tmp_path / "pagecast.toml").write_text(
        'bootstrap_servers = "one:9093"\n[kafka]\nsecurity_protocol = "SASL_SSL"\n'
        'sasl_mechanism = "SCRAM-SHA-256"\nusername = "ingest"\nca_file = "ca.pem"\n'
    )
    monkeypatch.setenv("PAGECAST_KAFKA__PASSWORD", "hidden")
    expected = SecuredKafka(
        servers="one:9093",
        protocol=Protocol.SASL_SSL,
        mechanism=Mechanism.SCRAM_SHA_256,
        username="ingest",
        password="hidden",
        ca_file="ca.pem",
    )
    assert bootstrap_servers(load_settings()) == expected
    assert bootstrap_servers_of_a_stack(load_settings()) == expected
    assert "hidden" not in repr(load_settings())
    monkeypatch.delenv("PAGECAST_KAFKA__PASSWORD")
    (tmp_path / "password").write_text("hidden\n")
    from_file = load_settings(kafka={"password_file": tmp_path / "password"})
    assert bootstrap_servers(from_file) == expected


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('security_protocol = "TLS"', "'kafka.security_protocol'.*SASL_SSL"),
        ('sasl_mechanism = "GSSAPI"', "'kafka.sasl_mechanism'.*SCRAM-SHA-512"),
        ('username = "ingest"', "'kafka.security_protocol': PLAINTEXT has no login"),
        ('security_protocol = "SASL_SSL"', "'kafka.sasl_mechanism: SASL_SSL needs one"),
        (
            'security_protocol = "SSL"\npassword_file = "nowhere"',
            "'kafka.password_file: .*nowhere",
        ),
        (
            'security_protocol = "SSL"\npassword = "a"\npassword_file = "b"',
            "'kafka.password_file: password is set, too",
        ),
    ],
)
def test_what_kafka_would_not_take_is_refused_by_name(
    lines: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "pagecast.toml").write_text(f'bootstrap_servers = "one:9093"\n[kafka]\n{lines}\n')
    with pytest.raises(InputError, match=told):
        bootstrap_servers(load_settings())


def test_the_document_sets_a_kafka_that_can_be(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
    [block] = [b for b in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "[kafka]" in b]
    (tmp_path / "password").write_text("hidden")
    written = block.replace("/run/secrets/kafka", str(tmp_path / "password"))
    (tmp_path / "pagecast.toml").write_text(written)
    kafka = bootstrap_servers(load_settings())
    assert isinstance(kafka, SecuredKafka)
    assert kafka.password == "hidden"


def test_a_login_for_the_local_broker_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pagecast.toml").write_text('[kafka]\nsecurity_protocol = "SSL"\n')
    with pytest.raises(InputError, match="does not speak SSL"):
        bootstrap_servers_of_a_stack(load_settings())


def test_no_kafka_may_be_said_as_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says: a server that follows no events is one."""
    monkeypatch.setenv("PAGECAST_BOOTSTRAP_SERVERS", "one:9093")
    assert load_settings(bootstrap_servers="").bootstrap_servers == ""
    with pytest.raises(InputError, match="write HOST:PORT"):
        load_settings(bootstrap_servers="kafka")
