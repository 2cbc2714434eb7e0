"""The sample contexts: where they are, and what each is for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import workbench
from workbench.cli.busybox import ARCHIVE
from workbench.errors import InputError, UsageError

SUMMARIES: Mapping[str, str] = {
    "genesis": "the first image: a static busybox on scratch, in four steps",
    "ignore": "many files, and a .dockerignore with exceptions",
    "stages": "two stages, build arguments, RUN, and COPY --from",
    "broken": "fails in its third step",
}


def samples_folder() -> Path:
    """Inside an installed package, or beside it in a clone. Raises InputError."""
    package = Path(workbench.__file__).resolve().parent
    for folder in (package / "_samples", package.parent / "sample_contexts"):
        if (folder / "genesis" / "Dockerfile").is_file():
            return folder
    raise InputError("the sample contexts are not installed", hint="Install workbench again, or use a clone of it.")


def sample(name: str) -> Path:
    """The folder of that sample. Raises UsageError with the names that there are."""
    if name not in SUMMARIES:
        raise UsageError(
            f"there is no sample context {name!r}",
            hint="There are:\n" + "\n".join(f"{known:9}{text}" for known, text in SUMMARIES.items()),
        )
    return samples_folder() / name


def needs_busybox(context: Path) -> bool:
    """Whether its Dockerfile wants a `busybox.tar.xz` that is not there yet."""
    try:
        text = (context / "Dockerfile").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return ARCHIVE in text and not (context / ARCHIVE).exists()
