"""Outputs in the words of an engine's exporters, and what is left to do with the image afterwards.

A Docker Engine with its own image store exports `moby`, `local` and `tar`; archives and pushes are then made from the
image through its API, as buildx does. One with containerd's store, and a buildkitd, have every exporter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench.build.request import BuildRequest
from workbench.dataclass import dataclass
from workbench.engines.buildkit.outputs import IMAGES, Output, read_annotations
from workbench.errors import Unsupported, UsageError

Exporter = tuple[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Backend:
    """Which BuildKit answers. `version` is empty before 0.11; `containerd` says which image store a Docker has;
    `many` whether it takes more than one exporter (BuildKit 0.13, which is Docker 26)."""

    version: str
    standalone: bool = False
    containerd: bool = False
    many: bool = False


@dataclass(frozen=True, slots=True)
class Exports:
    """What a Solve says of outputs. `sent` are those that come back to us, by the number the engine knows them by."""

    exporters: tuple[Exporter, ...] = ()
    sent: tuple[Output, ...] = ()
    save: tuple[Output, ...] = ()
    push: tuple[str, ...] = ()
    """Names that are then pushed through the engine's API."""
    names: tuple[str, ...] = ()
    """What the images are called; none where the outputs make none."""
    warnings: tuple[str, ...] = ()


def plan_exports(request: BuildRequest, outputs: Sequence[Output], backend: Backend) -> Exports:
    """Raises Unsupported for what this engine cannot make, by name."""
    everything = backend.standalone or backend.containerd
    _refuse_platforms(request, outputs, everything)
    if request.attests and not everything:
        raise Unsupported(
            "--attest", engine="buildkit", hint="Attestations need Docker's containerd image store, or a buildkitd."
        )
    annotations = read_annotations(request.annotations)
    if annotations and not everything:
        raise Unsupported(
            "--annotation", engine="buildkit", hint="Annotations need Docker's containerd image store, or a buildkitd."
        )
    outputs = outputs or _default(backend)
    for output in outputs:
        _refuse_attributes(output, everything)
        if output.push and not output.names(request.tags):
            raise UsageError("what is pushed needs a name", hint="Name it with -t REGISTRY/NAME:TAG.")
    exporters: dict[str, tuple[Exporter, Output]] = {}
    for number, output in enumerate(outputs):
        if output.kind == "cacheonly":
            continue
        kind, attributes = _exporter(output, request.tags, backend)
        if output.kind in IMAGES:
            attributes = {**annotations, **attributes}
        key = kind if kind == "moby" else f"{kind} {number}"
        if key in exporters and exporters[key][0][1] != attributes:
            attributes = {**exporters[key][0][1], **attributes}
        exporters[key] = (kind, attributes), output
    if len(exporters) > 1 and not backend.many:
        raise Unsupported(
            "more than one --output", engine="buildkit", hint="BuildKit before 0.13 (Docker 25 and older) has one."
        )
    later = () if everything else outputs
    pushed = dict.fromkeys(name for it in later if it.push for name in it.names(request.tags))
    named = dict.fromkeys(name for it in outputs if it.kind in IMAGES for name in it.names(request.tags))
    return Exports(
        tuple(exporter for exporter, _ in exporters.values()), tuple(output for _, output in exporters.values()),
        save=tuple(it for it in later if it.kind in ("oci", "docker") and it.dest),
        push=tuple(pushed), names=tuple(named), warnings=_warnings(request, outputs, backend),
    )  # fmt: skip


def _default(backend: Backend) -> Sequence[Output]:
    return () if backend.standalone else (Output("image"),)


def _exporter(output: Output, tags: Sequence[str], backend: Backend) -> Exporter:
    attributes = dict(output.attributes or {})
    if output.kind in ("local", "tar"):
        return output.kind, attributes
    if names := output.names(tags):
        attributes["name"] = ",".join(names)
    if not (backend.standalone or backend.containerd):
        return "moby", attributes
    if output.dest:
        return output.kind, attributes
    if backend.standalone and output.kind == "docker":
        raise Unsupported(
            "--output type=docker without dest", engine="buildkit", engines=["docker"],
            hint="A buildkitd has no images: write an archive with dest=FILE, or push with type=registry.",
        )  # fmt: skip
    if output.push:
        attributes["push"] = "true"
    return "image" if backend.standalone else "moby", attributes


def _refuse_attributes(output: Output, everything: bool) -> None:
    """Docker's own image store writes its images in one way, and says nothing of what it passes over."""
    unknown = sorted(set(output.attributes or ()) - {"name"})
    if output.kind in IMAGES and unknown and not everything:
        raise Unsupported(
            f"--output {unknown[0]}={(output.attributes or {})[unknown[0]]}", engine="buildkit",
            hint="That needs Docker's containerd image store, or a buildkitd.",
        )  # fmt: skip


def _refuse_platforms(request: BuildRequest, outputs: Sequence[Output], everything: bool) -> None:
    several = "," in (request.platform or "")
    if several and not everything and not (outputs and all(it.kind in ("local", "tar") for it in outputs)):
        raise Unsupported(
            "--platform with several platforms", engine="buildkit",
            hint="An image of several needs Docker's containerd image store, or a buildkitd; -o FOLDER works here.",
        )  # fmt: skip


def _warnings(request: BuildRequest, outputs: Sequence[Output], backend: Backend) -> tuple[str, ...]:
    if not outputs:
        return ("the result stays in the cache of the buildkitd: --output says where else it should go",)
    if request.tags and not any(it.kind in IMAGES for it in outputs):
        return ("--tag names no image here: the outputs that were asked for make none",)
    return ()
