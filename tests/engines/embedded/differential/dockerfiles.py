"""A Dockerfile from a seed: stages that all are needed, and instructions that fall over each other's paths."""

from __future__ import annotations

import posixpath

from differential import contexts
from differential.case import BASE, Case, Node
from differential.settings import SETTINGS
from differential.words import PLACES, RELATIVE, Dice, listed, variable, word
from workbench.dockerfile import parse
from workbench.errors import DockerfileError

_RUNS = 3
_IN_BASE = (
    "/d", "/d/", "/d/sub", "/e", "/e/.", "/lnk", "/lnk/", "/abs/", "/d/up", "/f", "/flink", "/h1", "/suid", "/o/p/q/",
    "/o", "/d/sub/x", "/h*", "/d/*", "d", "/d/s?b", "/etc", "/e/chain/deep", "/out", "/tmp", "//e//", "/c/../e", "e/*",
)  # fmt: skip
WEIGHTS: dict[str, float] = {
    "COPY": 9, "ADD": 4, "RUN": 3, "WORKDIR": 4, "ENV": 5, "ARG": 4, "LABEL": 2, "CMD": 1.5, "ENTRYPOINT": 1.5,
    "USER": 1, "EXPOSE": 1, "VOLUME": 1, "STOPSIGNAL": 0.5, "HEALTHCHECK": 0.7, "SHELL": 0.7, "ONBUILD": 1.2,
    "MAINTAINER": 0.3,
}  # fmt: skip
OWNERS = ("app", "app:app", "1:2", "5", "app:50", "77", "77:staff", "1001:extra", "root:root", "0", "$U", "${U:-3:4}")
_NO_FOLDERS = ("/f", "/flink", "/h1", "/suid", "/d/sub/x", "/f/", "/loop", "/loop/x")
_NUMBERS = ("1:2", "5", "0", "1001:50")
_BAD_OWNERS = ("nobody", "app:nogroup", ":5", "1:2:3", "app:")  # not -1, which Docker hands to chown(2): "as it is"


def generate(seed: int | str, weights: dict[str, float] = WEIGHTS) -> Case:
    """The case of a seed: always the same."""
    dice = Dice(seed)
    made = contexts.nodes(dice)
    steps = _Dockerfile(dice, made, weights).write()
    if any(set(step) & set("*?[") for step in steps):  # Docker opens a FIFO that a COPY names, and waits for ever
        made = tuple(node for node in made if node.kind != "fifo")
    names = [name for name in ("A", "B", "X", "GIVEN", "HTTP_PROXY") if dice.chance(0.25)]
    given = tuple((name, dice.one(("given", "", "two words", "$A", 'q"q', "/g"))) for name in names)
    return Case(tuple(steps), made, contexts.ignore(dice, made), given)


class _Dockerfile:
    def __init__(self, dice: Dice, made: tuple[Node, ...], weights: dict[str, float]) -> None:
        self._dice = dice
        self._made = made
        self._weights = weights
        self._scratch = False
        self._runs = 0
        self._stages: list[str] = []
        self._from_scratch: list[bool] = []
        self._waiting: list[int] = []
        """Stages that nothing needs yet."""

    def write(self) -> list[str]:
        dice = self._dice
        steps = [self._global() for _ in range(dice.upto(2) if dice.chance(0.3) else 0)]
        stages = dice.weighted({1: 6, 2: 3, 3: 1})
        for number in range(stages):
            steps.append(self._from(number))
            steps += [self._instruction() for _ in range(dice.upto(8 if stages == 1 else 5, 2))]
        steps += [self._from_stage(number) for number in list(self._waiting) if number != stages - 1]
        return steps

    def _global(self) -> str:
        """Without errors: the embedded engine says them before the first step, with the line."""
        return f"ARG {self._dice.one(('A', 'B', 'BASE', 'GIVEN', 'X'))}={word(self._dice, 2, errors=0)}"

    def _from(self, number: int) -> str:
        dice = self._dice
        image = BASE
        self._scratch = False
        if number and dice.chance(0.4):
            earlier = dice.upto(number - 1)
            image = self._stages[earlier] or BASE
            if earlier in self._waiting and image != BASE:
                self._waiting.remove(earlier)
        elif dice.chance(0.15):
            image, self._scratch = "scratch", True
        name = dice.one((f"s{number}", f"S{number}", f"st-{number}", ""))
        self._stages.append(name)
        self._from_scratch.append(self._scratch)
        self._waiting.append(number)
        return f"FROM {image}{dice.one((' AS ', ' as ')) + name if name else ''}"

    def _instruction(self) -> str:
        dice = self._dice
        keyword = dice.weighted(self._weights)
        if keyword == "RUN":
            self._runs += 1
            if self._scratch or self._runs > _RUNS:
                keyword = "COPY"
        text = SETTINGS[keyword](dice) if keyword in SETTINGS else getattr(self, f"_{keyword.lower()}")()
        return (
            text.replace(keyword, dice.one((keyword, keyword.lower(), keyword.title())), 1)
            if dice.chance(0.05)
            else text
        )

    # -- files ---------------------------------------------------------------------------------------------------

    def _copy(self) -> str:
        if (len(self._stages) > 1 and self._dice.chance(0.4)) or self._dice.chance(0.08):
            return self._from_stage(None)
        return self._transfer("COPY", [self._source() for _ in range(self._dice.weighted({1: 6, 2: 2, 3: 1}))])

    def _add(self) -> str:
        tars = [
            node.path
            for node in self._made
            if node.kind == "tar" and "\n" not in node.path and "\udcff" not in node.path
        ]
        if tars and self._dice.chance(0.6):
            return self._transfer("ADD", [self._dice.one(tars)])
        return self._transfer("ADD", [self._source() for _ in range(self._dice.weighted({1: 6, 2: 2}))])

    def _from_stage(self, number: int | None) -> str:
        """COPY --from of a stage, or of an image."""
        dice = self._dice
        if number is None:
            number = dice.upto(len(self._stages) - 2) if len(self._stages) > 1 and dice.chance(0.85) else -1
        if number in self._waiting:
            self._waiting.remove(number)
        name = (
            BASE if number < 0 else self._stages[number] if self._stages[number] and dice.chance(0.6) else str(number)
        )
        there = number < 0 or not self._from_scratch[number]
        paths = _IN_BASE if there and not dice.bad(0.15) else [place for place in PLACES if "loop" not in place]
        sources = [dice.one(paths) for _ in range(dice.upto(2, 1))]
        return self._transfer("COPY", sources, f"--from={name}")

    def _transfer(self, keyword: str, sources: list[str], *flags: str) -> str:
        dice = self._dice
        words = [keyword, *flags]
        if dice.chance(0.25):
            owner = dice.one(_BAD_OWNERS if dice.bad(0.15) else _NUMBERS if self._scratch else OWNERS)
            words.insert(dice.upto(len(words), 1), f"--chown={owner}")
        place = self._place(several=len(sources) > 1 or any("*" in source for source in sources))
        arguments = [*sources, place]
        if any(" " in it or not it or it.startswith(("[", "#")) for it in arguments) or dice.chance(0.1):
            return f"{' '.join(words)} {listed(arguments, dice)}"
        return " ".join([*words, *arguments])

    def _place(self, *, several: bool = False, folder: bool = False) -> str:
        dice = self._dice
        place = dice.one(PLACES if dice.chance(0.75) else RELATIVE)
        if dice.careful and (several or folder or "loop" in place) and place in _NO_FOLDERS:
            place = "/new"
        if dice.chance(0.1):
            place = f"/{variable(dice)}/" if dice.chance(0.5) else f"{variable(dice)}"
        if several and not place.endswith("/") and not dice.bad(0.1):
            place += "/"
        return place

    def _source(self) -> str:
        dice = self._dice
        odd = set("\n\udcff\"'$#!\t\\")
        kinds = ("file", "directory", "hardlink", "tar") if dice.chance(0.85) else ("symlink",)
        paths = [node.path for node in self._made if node.kind in kinds and not set(node.path) & odd]
        path = dice.one(paths) if paths else "a"
        folder = posixpath.dirname(path)
        if path.startswith("-"):
            path = f"./{path}"
        if path != path.strip():
            path = "a"
        if dice.bad(0.05):
            return dice.one(("nosuch", "../up", "nosuch*", "/..", "[", "${UNDEFINED}", "a/../../x"))
        if dice.chance(0.3):
            return dice.one(
                (
                    f"{folder or '.'}/*",
                    f"{path[:1]}*",
                    "*",
                    ".",
                    "./",
                    "/",
                    "?",
                    "[a-e]",
                    "*.t?t",
                    "*/*",
                    f"{path}*",
                    "[^x]",
                )
            )
        return dice.one(
            (path, path, path, f"./{path}", f"/{path}", f"{path}/", f"x/../{path}", path.replace("a", "${NOT:-a}", 1))
        )

    def _workdir(self) -> str:
        return f"WORKDIR {self._place(folder=True) or '/'}"

    def _volume(self) -> str:
        dice = self._dice
        plain = ("/vol", "/new/vol", "relative", "/w x", "/data/", "$WD")
        over = dice.chance(0.4)
        places = dice.some(("/d", "/d/sub", "/lnk", "/new", "/x/", "/tmp", "/f") if over else plain, 2, 1)
        if any(" " in it for it in places) or dice.chance(0.4):
            return f"VOLUME {listed(places, dice)}"
        return f"VOLUME {' '.join(places)}"

    def _run(self) -> str:
        dice = self._dice
        commands = [self._command_of_run() for _ in range(dice.upto(4, 1))]
        if dice.chance(0.1):
            return f"RUN {listed(['sh', '-c', '; '.join(commands)], dice)}"
        return f"RUN {dice.one(('; ', '; ', ' && ')).join(commands)}{'' if dice.bad(0.5) else '; true'}"

    def _command_of_run(self) -> str:
        dice = self._dice
        place, other = dice.one(PLACES), dice.one(PLACES)
        place, other = (f'"{it}"' if " " in it else it for it in (place, other))
        if place.strip('"/.') in ("", "e/.", "abs/."):
            place = "/d/sub/deep"
        return dice.one(
            (
                f"rm -rf {place}", f"rm -rf {place}; mkdir {place}", f"mkdir -p {place}", f"touch {place}",
                f"echo new > {place}",
                f"echo more >> {place}", f"chmod {dice.one(('700', '4755', '1777', 'u+s,g+s', 'a-r'))} {place}",
                f"chown {dice.one(('5:6', 'app', '77:staff', '-h 8:9', '-R 1:2'))} {place}", f"mv {place} {other}",
                f"ln {place} {other}", f"ln -s {place} {other}", f"ln -sfn {place} {other}", f"cp -a {place} {other}",
                "mkfifo /o/p/pipe", f"rmdir {place}", "rm -r /d && mkdir /d && echo $A > /d/new",
                "mv /d /moved && mkdir -p /d/sub", "rm /lnk && mkdir /lnk && touch /lnk/k",
                "rm -rf /d/sub && echo f > /d/sub",
                "rm /f && mkdir /f", "ln /h1 /h4; echo more >> /h2", "cp /h1 /h9 && ln /h9 /e/h9",
                "mv /e /e2 && mv /e2 /e",
                "mkdir -p /deep/er && touch -d @1000000000 /deep/er/t",
                "umask > /tmp/u; umask 077; mkdir /tmp/m; echo > /tmp/n",
                "env | grep -v -e ^HOSTNAME= -e ^SHLVL= | sort > /tmp/env", "id > /tmp/id; pwd > /tmp/pwd",
                'printf "%s|" "$A" "$B" "$X" > /tmp/v',
                "false", "touch /etc/hosts /etc/new /proc/x", "ls -la /dev | wc -l >/dev/null",
                "rm -rf /tmp && mkdir /tmp",
                "echo a > '/tmp/od\\d na'\"me\"", "touch -h -d @5 /dangling; ln -s x /d/sub/s2",
            )
        )  # fmt: skip

    def _onbuild(self) -> str:
        """With a trigger that can be read: Docker takes any, and fails where it is used."""
        while True:
            text = f"ONBUILD {self._instruction()}"
            if "--from" not in text and readable(text):
                return text


def readable(step: str) -> bool:
    """Whether the parser takes an instruction."""
    try:
        parse(f"FROM scratch\n{step}\n")
    except DockerfileError:
        return False
    return True
