"""`--output`: where the result goes, in the short forms and as `type=...,dest=...`; `--annotation`: what is said of it.

Rules: docker/buildx, util/buildflags/export.go. `-o DIR` is type=local, `-o -` type=tar on stdout.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.build.fields import read_fields
from workbench.build.request import normalise_tag
from workbench.dataclass import dataclass
from workbench.errors import Unsupported, UsageError

STDOUT = "-"
_KINDS = ("local", "tar", "oci", "docker", "image", "registry", "cacheonly")
IMAGES = ("oci", "docker", "image")
"""Kinds of Output that are an image."""
_LEVELS = ("manifest", "index", "manifest-descriptor", "index-descriptor")
_ANNOTATION = re.compile(r"(?:([a-z,-]+)(\[[^]]+\])?:)?([^=:\s]+)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Output:
    """One `--output`. `dest` is a path, STDOUT, or empty where the result stays with the engine."""

    kind: str
    """`local`, `tar`, `oci`, `docker`, `image` or `cacheonly`; `registry` is an image with `push`."""
    dest: str = ""
    attributes: Mapping[str, str] | None = None
    push: bool = False

    def names(self, tags: Sequence[str]) -> tuple[str, ...]:
        """What the image is called: `tags`, else those of `name=`. Raises UsageError for what is no name."""
        given = (self.attributes or {}).get("name", "")
        return tuple(tags) or tuple(normalise_tag(name) for name in given.split(",") if name)

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
    if fields.pop("tar", "true") not in ("true", "1"):
        raise Unsupported(
            "--output tar=false", engine="buildkit", hint="Write the archive with dest=FILE.tar, and unpack it."
        )
    if kind in ("image", "registry", "cacheonly") and dest:
        raise UsageError(f"--output {text!r}: type={kind} has no dest", hint="The name is that of -t, or name=.")
    return _checked(Output("image" if kind == "registry" else kind, dest, fields, push), text)


def read_annotations(texts: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE`, `LEVEL:NAME=VALUE` and `LEVEL[OS/ARCH]:NAME=VALUE` as attributes of an exporter. Raises UsageError.

    A LEVEL may be several, with commas; without one it is the manifest's. Rules: docker/buildx, util/buildflags
    (ParseAnnotations); moby/buildkit, exporter/containerimage/exptypes (AnnotationKey).
    """
    found: dict[str, str] = {}
    for text in texts:
        match = _ANNOTATION.fullmatch(text)
        levels = (match[1] or "manifest").split(",") if match else []
        if not match or not set(levels) <= set(_LEVELS):
            raise UsageError(
                f"--annotation takes [LEVEL:]NAME=VALUE, not {text!r}", hint=f"Levels: {', '.join(_LEVELS)}."
            )
        for level in levels:
            found[f"annotation-{level}{match[2] or ''}.{match[3]}"] = match[4]
    return found


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
