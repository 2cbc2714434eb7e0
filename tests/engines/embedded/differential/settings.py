"""The instructions that only change the configuration, from a seed."""

from __future__ import annotations

from collections.abc import Callable

from differential.words import VARIABLES, Dice, key, listed, word

_USERS = ("app", "1001", "app:staff", "5:6", "root", "0", "${U:-77}", "77", "app:50")
_BAD_USERS = ("nobody", "a b", "$U", "app:nogroup")
_SIGNALS = ("SIGTERM", "9", "TERM", "sigusr1", "SIGRTMIN+3", "65", "64", "RTMAX", "+9")
_BAD_SIGNALS = ("$S", "BAD", "0", "SIG", "9.5")
_SHELLS = ('["/bin/sh", "-ec"]', '["sh","-c"]', '["/bin/busybox", "sh", "-c"]', '["/bin/sh", "-xc"]')
_BAD_SHELLS = ("[]", "sh", '["/bin/sh", "-xc", ""]')
_ODD_LISTS = (
    "[]",
    "['a']",
    '["a"',
    '["a",]',
    "[ ]",
)  # not '["a"] b', of which 20.10 takes the list: today's parser a line
_BAD_LISTS = ("[1]", '["a" , 2]', "[null]", '["a", null]')
_CHECK_FLAGS = (  # not --interval=0s and --retries=0: 20.10 refuses them, today's parser takes them
    "--interval=5s", "--interval=1m30s", "--timeout=1500ms", "--retries=3", "--start-period=1h", "--interval=1.5h",
)  # fmt: skip
_BAD_CHECK_FLAGS = ("--timeout=1us", "--retries=-1", "--timeout=x", "--retries=")
_CHECKS = ("NONE", "CMD a || exit 1", 'CMD ["a", "b"]', "none", "CMD []", "cmd x $A")
_BAD_CHECKS = ("CMD", "NONE x", "what")


def env(dice: Dice) -> str:
    if dice.chance(0.2):
        return f"ENV {key(dice)} {line(dice)}"
    return "ENV " + " ".join(f"{key(dice)}={word(dice)}" for _ in range(dice.upto(3, 1)))


def label(dice: Dice) -> str:
    if dice.chance(0.15):
        return f"LABEL {key(dice)} {line(dice)}"
    return "LABEL " + " ".join(
        f"{dice.one((key(dice), chr(34) + 'a key' + chr(34), '$A', 'com.x.y'))}={word(dice)}"
        for _ in range(dice.upto(3, 1))
    )


def line(dice: Dice) -> str:
    return dice.one((" ", "  ", "\t")).join(word(dice, 2) for _ in range(dice.upto(3, 1)))


def arg(dice: Dice) -> str:
    name = dice.one((*VARIABLES[:4], "GIVEN", "U", "BASE", "HTTP_PROXY", "N"))
    return f"ARG {name}" if dice.chance(0.35) else f"ARG {name}={word(dice)}"


def maintainer(dice: Dice) -> str:
    return f"MAINTAINER {line(dice)}"


def command(dice: Dice, keyword: str) -> str:
    words = dice.some(("sh", "-c", "a b", "$A", 'q"q', "ünï", "<&>", "\\", "tab\t", "'"), 3)
    form = dice.weighted({"exec": 4, "shell": 4, "odd": 1})
    if form == "exec":
        return f"{keyword} {listed(words, dice)}"
    if form == "odd":
        return f"{keyword} {dice.one(_BAD_LISTS if dice.bad(0.3) else _ODD_LISTS)}"
    return f"{keyword} {line(dice)}"


def cmd(dice: Dice) -> str:
    return command(dice, "CMD")


def entrypoint(dice: Dice) -> str:
    return command(dice, "ENTRYPOINT")


def user(dice: Dice) -> str:
    return f"USER {dice.one(_BAD_USERS if dice.bad(0.2) else _USERS)}"


def expose(dice: Dice) -> str:
    ports = (
        "80",
        "443/tcp",
        "53/udp",
        "100-103/sctp",
        "8080:80",
        "$P",
        "${P:-9}",
        "80/TCP",
        "0",
        "7-7",
        "080",
        "1-2/udp",
    )
    bad = ("80/foo", "70000", "9-8", "x", "80/", "-1", "1.2.3.4:80:90", ":80", "80:", "1-2:3-4")
    return "EXPOSE " + " ".join(dice.one(bad if dice.bad(0.1) else ports) for _ in range(dice.upto(3, 1)))


def stopsignal(dice: Dice) -> str:
    return f"STOPSIGNAL {dice.one(_BAD_SIGNALS if dice.bad(0.3) else _SIGNALS)}"


def healthcheck(dice: Dice) -> str:
    what = dice.one(_BAD_CHECKS if dice.bad(0.2) else _CHECKS)
    flags = dice.some(_BAD_CHECK_FLAGS if dice.bad(0.1) else _CHECK_FLAGS, 0 if what.lower() == "none" else 2)
    return " ".join(["HEALTHCHECK", *flags, what])


def shell(dice: Dice) -> str:
    return f"SHELL {dice.one(_BAD_SHELLS if dice.bad(0.2) else _SHELLS)}"


SETTINGS: dict[str, Callable[[Dice], str]] = {
    "ENV": env,
    "LABEL": label,
    "ARG": arg,
    "MAINTAINER": maintainer,
    "CMD": cmd,
    "ENTRYPOINT": entrypoint,
    "USER": user,
    "EXPOSE": expose,
    "STOPSIGNAL": stopsignal,
    "HEALTHCHECK": healthcheck,
    "SHELL": shell,
}
