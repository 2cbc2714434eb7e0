"""`workbench context` shows what the engine in use sends, and warns on stderr of what should rarely be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.cli import main


def test_what_should_rarely_be_sent_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "[a]").mkdir()
    (tmp_path / "[a]" / ".env").write_text("A=1\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    assert main(["context", str(tmp_path)]) == 0
    told = capfd.readouterr()
    line = r"warning: [a]/.env: an environment file, which often holds secrets; a line \[a]/.env in .dockerignore"
    assert line in told.err and "warning" not in told.out
    (tmp_path / ".dockerignore").write_text("\\[a]/.env\n")
    assert main(["context", str(tmp_path)]) == 0
    assert "warning" not in capfd.readouterr().err


@pytest.mark.parametrize(("engine", "sent"), [("docker", False), ("embedded", False), ("buildkit", True)])
def test_what_is_shown_is_what_that_engine_sends(
    engine: str, sent: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The classic builder's client does not go into an excluded folder for `!**/keep`."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "keep").touch()
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / ".dockerignore").write_text("a\n!**/keep\n")
    assert main(["context", "--engine", engine, "--sent", "--format", "json", str(tmp_path)]) == 0
    paths = {json.loads(line)["path"] for line in capfd.readouterr().out.splitlines()}
    assert ("a/keep" in paths) == sent and "Dockerfile" in paths
