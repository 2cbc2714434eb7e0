"""`workbench context` warns of what should rarely be sent, on stderr."""

from __future__ import annotations

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
