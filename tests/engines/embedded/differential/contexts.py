"""A build context from a seed: files, folders, links of every sort, FIFOs, archives, and what an ignore file leaves."""

from __future__ import annotations

import posixpath
from dataclasses import replace

from differential.case import TIME, Member, Node
from differential.words import NAMES, ODD_NAMES, Dice
from workbench.context.ignore import IgnoreRules

_MODES = (0, 0, 0, 0, 0o600, 0o755, 0o4755, 0o2755, 0o6711, 0o1644, 0o444, 0o777, 0o2644)
_FOLDER_MODES = (0, 0, 0, 0o700, 0o1777, 0o2775, 0o711, 0o555)
_TIMES = (TIME, TIME, TIME, 0, 1, 1485449953, 4102444800)
_TEXTS = ("", "a\n", "b\n", "same\n", "x" * 600, "\0\1\2", "#!/bin/sh\necho hi\n", "ünï\n")
_TARGETS = (
    "a",
    "d",
    "d/a",
    "../a",
    "/d/a",
    "/etc/passwd",
    "nowhere",
    "lnk",
    ".",
    "..",
    "../../../up",
    "sub/../a",
    "/d",
    "",
)


def nodes(dice: Dice) -> tuple[Node, ...]:
    """Two to ten paths, in few folders, so that they meet."""
    folders = [""]
    made: list[Node] = []
    for _ in range(dice.upto(9, 2)):
        name = dice.one(ODD_NAMES) if dice.chance(0.2) else dice.one(NAMES)
        path = posixpath.join(dice.one(folders), name)
        if any(node.path == path for node in made):
            continue
        node = _node(dice, path, made)
        made.append(node)
        if node.kind == "directory":
            folders.append(path)
    if not any(node.path == "a" for node in made):
        made.append(Node("a", data="a\n"))
    return tuple(made)


def _node(dice: Dice, path: str, made: list[Node]) -> Node:
    time = dice.one(_TIMES)
    files = [node.path for node in made if node.kind in ("file", "symlink", "tar")]
    kind = dice.weighted(
        {"file": 8, "directory": 6, "symlink": 3, "hardlink": 2 if files else 0, "fifo": 0.3, "tar": 2}
    )
    if path.endswith(("d", "sub", "e")) and kind == "file" and dice.chance(0.7):
        kind = "directory"
    match kind:
        case "directory":
            return Node(path, kind, mode=dice.one(_FOLDER_MODES), mtime=time)
        case "symlink":
            return Node(path, kind, _target(dice, path, made), mtime=time)
        case "hardlink":
            return Node(path, kind, dice.one(files), mtime=time)
        case "fifo":
            return Node(path, kind, mtime=time)
        case "tar":
            return _tar(dice, path, time)
    return Node(path, kind, dice.one(_TEXTS), dice.one(_MODES), time)


def _target(dice: Dice, path: str, made: list[Node]) -> str:
    """Mostly something that is there."""
    if made and (dice.careful or dice.chance(0.5)):
        return posixpath.relpath(dice.one(made).path, posixpath.dirname(path) or ".")
    return dice.one(_TARGETS)


def _tar(dice: Dice, path: str, time: int) -> Node:
    how = dice.one(("", "", "gz", "gz", "xz", "bz2"))
    if dice.bad(0.2):
        how += f" {dice.one((1, 100, 600, 1024, 5000))}"
    members: list[Member] = []
    for _ in range(dice.upto(6)):
        member = _member(dice)
        files = [it.name for it in members if it.kind == "0" and not it.name.startswith("..")]
        if member.kind == "1" and dice.careful:
            member = replace(member, kind="1" if files else "0", link=dice.one(files) if files else "")
        members.append(member)
    return Node(path, "tar", how, mtime=time, members=tuple(members))


def _member(dice: Dice) -> Member:
    name = dice.one(("t", "t/a", "t/b", "t/s/deep", "a", "d", "d/f", "./k", "lnk/in", "abs", "f", "sub/x", "n1/n2/n3"))
    if dice.chance(0.15):
        name = dice.one(
            (*ODD_NAMES, "/absolute/x", "../up", "t/../a", "t//c", "t/./e", "./", ".", "d/up/x", "l" * 120, "dl/x")
        )
    kind = dice.weighted({"0": 8, "5": 5, "2": 3, "1": 2, "6": 0.5, "3": 0.3})
    link = ""
    if kind == "6":  # where no COPY names it: Docker opens it, and waits for ever
        name = "n1/pipe"
    elif kind == "3":
        link = "0:0" if dice.bad(0.3) else "1:3"
    elif kind == "2":
        link = dice.one(("a", "../a", "/etc/passwd", "nowhere", "t", "/t", "../../../out", "."))
    elif kind == "1":
        link = dice.one(("t/a", "a", "./a", "/a", "t", "f", "missing", "d/f", "../a"))
    mode = dice.one((0o644, 0o755, 0o4755, 0o2711, 0o1777, 0o600, 0, 0o7777))
    owner = dice.one(((0, 0), (0, 0), (5, 6), (1001, 1002), (70000, 2)))
    xattrs = (("user.x", "v"),) if dice.chance(0.05) else ()
    return Member(name, kind, dice.one(_TEXTS), mode, owner, dice.one(_TIMES), link, xattrs)


def ignore(dice: Dice, made: tuple[Node, ...]) -> tuple[str, ...]:
    """Mostly nothing; else lines of patterns that meet the context's names."""
    if not dice.chance(0.2):
        return ()
    lines = [_pattern(dice, made) for _ in range(dice.upto(4, 1))]
    lines.sort(key=lambda line: line.startswith("!"))
    return tuple(line for number, line in enumerate(lines) if not _forgotten(line, lines[:number], made))


def _forgotten(line: str, before: list[str], made: tuple[Node, ...]) -> bool:
    """Whether `line` is an exception for a folder that nothing excludes. Docker's client since 23 and BuildKit do not
    remember it for what lies in the folder (moby/patternmatcher, MatchesUsingParentResults: `*/*` and `!*` leave out
    what is in folders); the embedded engine goes by MatchesOrParentMatches, as the file format is described and as
    Docker's client of 20.10 was seen to do. The same is the reason that exceptions come last."""
    if not line.startswith("!"):
        return False
    folders = {node.path for node in made if node.kind == "directory"}
    folders |= {above for node in made for above in _parents(node.path)}
    own, others = IgnoreRules.parse(line[1:]), IgnoreRules.parse("\n".join(before))
    return any(own.decide(folder).excluded and not others.decide(folder).excluded for folder in folders)


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts))]


def _pattern(dice: Dice, made: tuple[Node, ...]) -> str:
    path = dice.one(made).path if made else "a"
    folder, name = posixpath.split(path)
    pattern = dice.one(
        (
            path, path, f"**/{name}", f"{folder or '*'}/*", "*", "**", "*.txt", "**/*.txt", f"{name[:1]}*", "?",
            "[a-c]",
            "*/", f"{folder}/**" if folder else "d/**", f"/{path}", f"./{path}", f"x/../{path}", "# comment", "",
            f" {path} ",
            f"{path}/", "d/*", "d/?", "**/sub", "[^a]", "Dockerfile", ".dockerignore", "*/*", "**/d/**", "d/**/x",
            "\\a",
        )
    )  # fmt: skip
    if "\n" in pattern:
        pattern = pattern.replace("\n", "?")
    return f"!{pattern}" if dice.chance(0.35) and pattern.strip() else pattern
