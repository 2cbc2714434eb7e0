"""Our rules about single instructions: `cd` that ends with its step, ADD for a file, paths outside the context."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from workbench.dockerfile.document import Dockerfile
from workbench.dockerfile.fix import Edit, Fix, replacing
from workbench.dockerfile.instructions import Add, Copy, Transfer
from workbench.dockerfile.lint import Finding
from workbench.dockerfile.rules.packages import runs
from workbench.dockerfile.rules.places import argument

_ARCHIVE = re.compile(r"\.(?:tar|t[gbx]z2?|gz|bz2|xz|zst)(?:\.|\Z)", re.IGNORECASE)
_PLAIN = re.compile(r"[\w./-]+\Z", re.ASCII)
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|.*\.git(?:#|\Z)", re.IGNORECASE)


def lost_directory(dockerfile: Dockerfile) -> Iterator[Finding]:
    """`RUN cd x` alone does nothing, and `RUN cd x && y` says it for one step only."""
    for _, it, start, commands in runs(dockerfile):
        first = commands[0]
        if first.words[0] != "cd" or len(first.words) != 2 or not _PLAIN.match(first.words[1]) or it.flags:
            continue
        place = it.node.span(start + first.start, start + first.start + len(first.words[0]) + 1 + len(first.words[1]))
        keyword = "WORKDIR" if it.node.keyword.isupper() else "workdir"
        whole = it.node.span(it.original.find(it.node.keyword), start + first.offsets[1] + len(first.words[1]))
        if len(commands) == 1:
            title = f"write WORKDIR {first.words[1]} (it then counts for what follows)"
            fix = replacing(title, whole, f"{keyword} {first.words[1]}", safe=False)
            yield Finding(it.node, place, "cd in a step of its own has no effect on the next", fix)
        elif commands[1].before == "&&":
            following = it.node.span(start + commands[1].start, len(it.original))
            place_to = whole._replace(end_line=following.start_line, end_column=following.start_column)
            title = f"write WORKDIR {first.words[1]} above (it then counts for what follows)"
            text = f"{keyword} {first.words[1]}\n{it.node.keyword} "
            yield Finding(it.node, place, "WORKDIR says where a step runs", Fix(title, (Edit(place_to, text),), False))


def added_file(dockerfile: Dockerfile) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        for it in stage.instructions:
            if not isinstance(it, Add) or not it.sources or it.heredocs:
                continue
            if it.checksum or it.keep_git_dir is not None or it.unpack is not None:
                continue
            if any(_ARCHIVE.search(source) or _REMOTE.match(source) or "$" in source for source in it.sources):
                continue
            wanted = "COPY" if it.node.keyword.isupper() else "copy"
            place = it.node.keyword_range
            fix = replacing(f"write {wanted} (an archive would not be unpacked)", place, wanted, safe=False)
            yield Finding(it.node, place, "ADD also unpacks and downloads; COPY is enough here", fix)


def outside_context(dockerfile: Dockerfile) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        for it in stage.instructions:
            if not isinstance(it, Transfer) or (isinstance(it, Copy) and it.from_):
                continue
            for source in it.sources:
                cleaned = posixpath.normpath(source)
                if cleaned != ".." and not cleaned.startswith("../"):
                    continue
                place = argument(it.node, source)
                inside = re.sub(r"\A(?:\.\./?)+", "", cleaned) or "."
                title = f"write {inside} (the context's own)"
                message = f"{source} is outside of the context, where nothing can be copied from"
                plain = place != it.node.keyword_range and not it.node.json
                yield Finding(it.node, place, message, replacing(title, place, inside, safe=False) if plain else None)
