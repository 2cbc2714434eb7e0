"""File < environment < flags, and errors that name the file."""

from pathlib import Path

import pytest

from workbench.config import Config, config_file, data_dir, load_config
from workbench.errors import UsageError


def test_defaults_without_a_file(tmp_path: Path) -> None:
    config = load_config({}, tmp_path / "none.toml")
    assert config == Config() and config.engine == "auto" and config.watch == "on"
    assert config.store == data_dir() / "store"


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
    [("engin = 'x'", "unknown setting 'engin'"), ("watch = 'no'", "watch is 'no'"),
     ("quiet = [1]", "quiet has a value"), ("= 3", "Invalid statement"),
     ("engine = 'podman'", "no engine is called 'podman'"), ("insecure = 1", "insecure has a value"),
     ("insecure = [1]", "insecure is not a host"), ("[mirrors]\n'docker.io' = 1", "mirrors: docker.io is not a host")],
)  # fmt: skip
def test_a_file_that_is_not_understood(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        load_config({}, path)


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
    with pytest.raises(UsageError, match="utf-8"):
        load_config({}, tmp_path / "config.toml")


def test_the_file_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_CONFIG", "/some/file.toml")
    assert config_file() == Path("/some/file.toml")


def test_buildkit_is_a_name_and_podman_is_none() -> None:
    assert Config().with_flags(engine="buildkit").engine == "buildkit"
    with pytest.raises(UsageError, match="no engine is called 'podman'"):
        Config().with_flags(engine="podman")
