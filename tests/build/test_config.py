"""File < environment < flags, and remarks that name the place in the file."""

from dataclasses import fields
from pathlib import Path

import platformdirs
import pytest

from workbench.config import Config, config_file, data_dir, load_config, state_dir
from workbench.config.about import ABOUT, EXAMPLES
from workbench.config.checks import SETTINGS, TABLES
from workbench.config.writing import keep_setting
from workbench.errors import InputError, UsageError


def test_defaults_without_a_file(tmp_path: Path) -> None:
    config = load_config({}, tmp_path / "none.toml")
    assert config == Config() and config.engine == "auto" and config.watch == "on"
    assert config.store == data_dir() / "store"


@pytest.mark.parametrize("given", [None, "", "/some/where", "/some/where/", "not/absolute", "~/x"])
def test_the_folders_are_those_that_platformdirs_names(given: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable) if given is None else monkeypatch.setenv(variable, given)
    monkeypatch.delenv("WORKBENCH_CONFIG", raising=False)
    monkeypatch.setenv("HOME", "/home/of/mine")
    found = platformdirs.PlatformDirs("workbench", appauthor=False)
    assert data_dir() == Path(found.user_data_dir)
    assert state_dir() == Path(found.user_state_dir)
    assert config_file() == Path(found.user_config_dir) / "config.toml"


def test_environment_outweighs_file_and_flags_outweigh_both(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('engine = "docker"\nroot = "~/s"\nwatch = false\nquiet = 1\n[keys]\nbuild = "f9"\n')
    config = load_config({"WORKBENCH_ENGINE": "embedded", "DOCKER_HOST": "tcp://h:1", "WORKBENCH_ROOT": ""}, path)
    assert (config.engine, config.host, config.watch, config.quiet) == ("embedded", "tcp://h:1", "off", 1)
    assert config.root == Path.home() / "s" and config.keys == {"build": "f9"}
    flagged = config.with_flags(engine="docker", root=Path("/r"), host=None)
    assert (flagged.engine, flagged.store, flagged.host) == ("docker", Path("/r"), "tcp://h:1")


@pytest.mark.parametrize(
    ("text", "said"),
    [("engin = 'x'", "1:1: there is no setting 'engin'; did you mean 'engine'?"),
     ("\n watch = 'no'", "2:10: watch cannot be \"no\". It can be on, focus, off"),
     ("quiet = [1]", "1:9: quiet cannot be [1]. It is a number."), ("quiet = true", "1:9: quiet cannot be true."),
     ("builds_kept = -1", "1:15: builds_kept cannot be -1. It is 0 or more."),
     ("cache_steps = 1.5", "cannot be 1.5. It is a whole number."), ("mouse = 1", "It is true or false."),
     ("engine_timeout = 0", "It is more than 0."), ("cache_gb = inf", "It is a number."), ("theme = 1", "in quotes"),
     ("= 3", "1:1: Invalid statement; nothing of the file takes effect"), ("a = 'x", "; nothing of the file takes"),
     ("engine = 'dokcer'", "1:10: engine cannot be \"dokcer\". It can be auto, embedded, docker, buildkit; did you "
      "mean 'docker'?"),
     ("insecure = 1", "insecure cannot be 1. It is a host"), ("insecure = [\n1]", "1:12: insecure cannot be [1]."),
     ("[mirrors]\n'docker.io' = 1", "2:15: mirrors.docker.io cannot be 1."), ("keys = 1", "keys is a table: [keys]"),
     ("[keys]\nfile.save = 1", "2:13: keys.file.save cannot be 1."), ("[them]\nx = 1", "1:1: there is no setting")],
)  # fmt: skip
def test_what_is_not_understood_is_a_remark_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"{text}\n")
    config = load_config({}, path)
    assert config == Config(), "the default stays"
    (remark,) = config.remarks
    assert remark.startswith(f"{path}:") and said in remark


def test_the_rest_of_the_file_takes_effect(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('nope = [\n 1,\n]\ntheme = "nord"\n[keys]\nfile.save = "f2"\n"quit" = "Q"\n')
    config = load_config({}, path)
    assert config.theme == "nord" and config.keys == {"file.save": "f2", "quit": "Q"} and len(config.remarks) == 1
    assert config.places["theme"] == f"{path}:4:1" and config.places["keys.file.save"] == f"{path}:6:1"


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    config = load_config({}, tmp_path)
    assert config == Config() and config.remarks[0].startswith(f"{tmp_path}: Is a directory")


def test_the_environment_is_no_file(tmp_path: Path) -> None:
    for name, value in {"WORKBENCH_ENGINE": "podman", "WORKBENCH_ENGINE_TIMEOUT": "x"}.items():
        with pytest.raises(UsageError):
            load_config({name: value}, tmp_path / "none")


@pytest.mark.parametrize(
    ("before", "after"),
    [("", 'theme = "nord"\n'), ("# mine\n", '# mine\ntheme = "nord"\n'),
     ('theme = "x" # why\nmouse = true\n', 'theme = "nord"\nmouse = true\n'),
     ('# theme = "textual-dark"\nmouse = true', 'theme = "nord"\nmouse = true'),
     ('mouse = true\n[keys]\ntheme = "k"\n', 'mouse = true\ntheme = "nord"\n\n[keys]\ntheme = "k"\n'),
     ("mouse = true", 'mouse = true\ntheme = "nord"\n')],
)  # fmt: skip
def test_one_setting_is_changed_and_the_rest_stays(before: str, after: str, tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text(before)
    link.symlink_to(real)
    keep_setting(link, "theme", "nord")
    assert link.is_symlink() and real.read_text() == after
    keep_setting(tmp_path / "new" / "config.toml", "theme", 'a"b\x7f')
    assert load_config({}, tmp_path / "new" / "config.toml").theme == 'a"b\x7f'


def test_what_is_no_toml_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("= 3\n")
    with pytest.raises(InputError, match="Invalid statement"):
        keep_setting(path, "theme", "nord")
    assert path.read_text() == "= 3\n"


def test_every_setting_is_read_and_explained() -> None:
    names = {it.name for it in fields(Config)} - {"remarks", "places"}
    assert set(SETTINGS) | set(TABLES) == names == set(ABOUT)
    assert {it.name for it in fields(Config) if it.default is None} == set(EXAMPLES)


def test_registries(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('insecure = ["a:1"]\n[mirrors]\n"docker.io" = "m:1"\n"r.example" = ["x", "y"]\n')
    config = load_config({}, path)
    assert config.mirrors == {"docker.io": ("m:1",), "r.example": ("x", "y")} and config.insecure == ("a:1",)
    config = load_config({"WORKBENCH_REGISTRY_MIRRORS": "a=b,a=c, d=e", "WORKBENCH_INSECURE_REGISTRIES": "p, q"}, path)
    assert config.mirrors == {"a": ("b", "c"), "d": ("e",)} and config.insecure == ("p", "q")
    with pytest.raises(UsageError, match="'nothing' is not REGISTRY=HOST"):
        load_config({"WORKBENCH_REGISTRY_MIRRORS": "nothing"}, path)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    config = load_config({}, tmp_path / "config.toml")
    assert config == Config() and config.remarks[0].startswith(f"{tmp_path / 'config.toml'}:1:1: this is not UTF-8")


def test_the_file_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_CONFIG", "/some/file.toml")
    assert config_file() == Path("/some/file.toml")


def test_buildkit_is_a_name_and_podman_is_none() -> None:
    assert Config().with_flags(engine="buildkit").engine == "buildkit"
    with pytest.raises(UsageError, match="no engine is called 'podman'"):
        Config().with_flags(engine="podman")
