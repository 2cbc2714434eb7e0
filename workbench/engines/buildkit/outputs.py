"""`--output`: where the result goes, in the short forms and as `type=...,dest=...`.

Rules: docker/buildx, util/buildflags/export.go. `-o DIR` is type=local, `-o -` type=tar on stdout.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.build.fields import read_fields
from workbench.dataclass import dataclass
from workbench.errors import UsageError

STDOUT = "-"
_KINDS = ("local", "tar", "oci", "docker", "image", "registry")


@dataclass(frozen=True, slots=True)
class Output:
    """One `--output`. `dest` is a path, STDOUT, or empty where the result stays with the engine."""

    kind: str
    """`local`, `tar`, `oci`, `docker` or `image`; `registry` is an image with `push`."""
    dest: str = ""
    attributes: Mapping[str, str] | None = None
    push: bool = False

    @property
    def is_file(self) -> bool:
        """Whether one stream of bytes comes back, and no folder."""
        return bool(self.dest) and self.kind != "local"


def read_outputs(texts: Sequence[str]) -> tuple[Output, ...]:
    """Raises UsageError for what is malformed, or cannot be written."""
    outputs = tuple(map(_read, texts))
    if sum(output.dest == STDOUT for output in outputs) > 1:
        raise UsageError("--output: only one result can go to stdout")
    return outputs


def _read(text: str) -> Output:
    if "=" not in text and "," not in text:
        if not text:
            raise UsageError("--output is empty", hint="It is a folder, -, or type=local|tar|oci|docker|image,...")
        return _checked(Output("tar", STDOUT) if text == STDOUT else Output("local", text), text)
    fields = read_fields("--output", text)
    kind = fields.pop("type", "")
    if kind not in _KINDS:
        said = f"there is no type {kind!r}" if kind else "type= is missing"
        raise UsageError(f"--output {text!r}: {said}", hint=f"Types: {', '.join(_KINDS)}.")
    dest = fields.pop("dest", "")
    push = kind == "registry" or fields.pop("push", "") in ("true", "1")
    if kind in ("tar", "oci") and not dest:
        dest = STDOUT
    if kind == "local" and dest in ("", STDOUT):
        raise UsageError(f"--output {text!r}: a folder is missing", hint="As in -o out, or type=local,dest=out.")
    if kind in ("image", "registry") and dest:
        raise UsageError(f"--output {text!r}: type={kind} has no dest", hint="The name is that of -t, or name=.")
    return _checked(Output("image" if kind == "registry" else kind, dest, fields, push), text)


def _checked(output: Output, text: str) -> Output:
    """What can be seen beforehand is said before anything is built."""
    if output.dest == STDOUT:
        if sys.stdout.isatty():
            raise UsageError(
                f"--output {text!r}: stdout is a terminal", hint="Redirect it (> out.tar), or name a file with dest=."
            )
        return output
    if not output.dest:
        return output
    path = Path(output.dest)
    if output.kind == "local":
        if path.exists() and not path.is_dir():
            raise UsageError(f"--output {text!r}: {path} is no folder")
    elif path.is_dir():
        raise UsageError(f"--output {text!r}: {path} is a folder, and a file is wanted")
    elif not path.absolute().parent.is_dir():
        raise UsageError(f"--output {text!r}: there is no folder {path.absolute().parent}")
    return output
