"""Makes a case that differs small: instructions, paths, lines and members go as long as something still differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from differential.case import TIME, Case, Node


def shrink(case: Case, differs: Callable[[Case], bool], tries: int = 100) -> Case:
    """A smaller case for which `differs` is still true. `differs` is asked at most `tries` times."""
    left = tries
    progress = True
    while progress and left > 0:
        progress = False
        for candidate in _smaller(case):
            if left <= 0:
                break
            left -= 1
            if differs(candidate):
                case, progress = candidate, True
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    """Candidates, those that take most first."""
    if len(case.steps) > 4:  # halves first, then one by one
        half = len(case.steps) // 2
        yield replace(case, steps=(*case.steps[:1], *case.steps[half:]))
        yield replace(case, steps=case.steps[:half])
    for number in range(len(case.steps) - 1, -1, -1):
        yield replace(case, steps=_without(case.steps, number))
    if case.ignore:
        yield replace(case, ignore=())
    if case.build_args:
        yield replace(case, build_args=())
    for number in range(len(case.nodes) - 1, -1, -1):
        yield replace(case, nodes=_without(case.nodes, number))
    for number in range(len(case.ignore)):
        yield replace(case, ignore=_without(case.ignore, number))
    for number in range(len(case.build_args)):
        yield replace(case, build_args=_without(case.build_args, number))
    for number, node in enumerate(case.nodes):
        for plainer in _plainer(node):
            yield replace(case, nodes=(*case.nodes[:number], plainer, *case.nodes[number + 1 :]))
    for number, step in enumerate(case.steps):
        for shorter in _shorter(step):
            yield replace(case, steps=(*case.steps[:number], shorter, *case.steps[number + 1 :]))


def _without(of: tuple, number: int) -> tuple:  # type: ignore[type-arg]
    return (*of[:number], *of[number + 1 :])


def _plainer(node: Node) -> Iterator[Node]:
    for number in range(len(node.members) - 1, -1, -1):
        yield replace(node, members=_without(node.members, number))
    if node.kind == "tar" and node.data:
        yield replace(node, data="")
    if node.mode:
        yield replace(node, mode=0)
    if node.mtime != TIME:
        yield replace(node, mtime=TIME)
    if node.kind == "file" and node.data:
        yield replace(node, data="")
    for number, member in enumerate(node.members):
        plain = replace(member, mode=0o644, owner=(0, 0), mtime=TIME, data="", xattrs=())
        if plain != member:
            yield replace(node, members=(*node.members[:number], plain, *node.members[number + 1 :]))


def _shorter(step: str) -> Iterator[str]:
    """Without one word or one command."""
    if "; " in step or " && " in step:
        keyword, _, rest = step.partition(" ")
        commands = rest.replace(" && ", "; ").split("; ")
        for number in range(len(commands)):
            kept = [*commands[:number], *commands[number + 1 :]]
            if kept:
                yield f"{keyword} {'; '.join(kept)}"
    elif not step.upper().startswith("RUN"):
        words = step.split(" ")
        for number in range(len(words) - 1, 0, -1):
            if len(words) > 2:
                yield " ".join([*words[:number], *words[number + 1 :]])
