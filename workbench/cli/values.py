"""Values on a command line, read as the docker command reads them. Each reader raises UsageError, naming its flag."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from workbench.errors import UsageError

TRUE = frozenset({"1", "t", "true"})
FALSE = frozenset({"0", "f", "false"})

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)(i?b)?", re.IGNORECASE | re.ASCII)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_ULIMITS = frozenset(
    {"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
     "rttime",
     "sigpending", "stack"}
)  # fmt: skip


def byte_size(flag: str, text: str) -> int:
    """`512m`, `1.5g`, `64KiB`, `1024`: bytes, units of 1024 (go-units' RAMInBytes)."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{flag} takes a size, not {text!r}", hint="As in 512m, 1.5g or 1048576.")
    return int(float(found[1]) * 1024 ** _POWERS[found[2].lower()])


def swap_size(flag: str, text: str) -> int:
    """A size, or -1 for no limit."""
    return -1 if text.strip() == "-1" else byte_size(flag, text)


def whole_number(flag: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{flag} takes a whole number, not {text!r}") from None


def ulimit(text: str) -> str:
    """`nofile=1024:2048`, checked against the names that Linux has."""
    name, _, limits = text.partition("=")
    numbers = limits.split(":")
    if name not in _ULIMITS or not 1 <= len(numbers) <= 2 or not all(re.fullmatch(r"-1|\d+", n) for n in numbers):
        raise UsageError(f"--ulimit takes name=soft[:hard], not {text!r}", hint="As in nofile=1024:2048.")
    if len(numbers) == 2 and numbers[1] != "-1" and not -1 < int(numbers[0]) <= int(numbers[1]):
        raise UsageError(f"--ulimit {text}: the soft limit is above the hard limit")
    return text


def extra_host(text: str) -> str:
    """`name:address` or `name=address`, as `name:address`. An address is one of IP, or `host-gateway`."""
    name, separator, address = text.partition("=") if "=" in text else text.partition(":")
    address = address.strip("[]")
    if not (name and separator and address):
        raise UsageError(f"--add-host takes name:address, not {text!r}")
    if address != "host-gateway" and not _is_ip(address):
        raise UsageError(f"--add-host {text}: {address!r} is no IP address", hint="It is one, or host-gateway.")
    return f"{name}:{address}"


def _is_ip(text: str) -> bool:
    import socket

    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, text)
            return True
    return False


def build_args(given: Iterable[str], environment: Mapping[str, str]) -> dict[str, str | None]:
    """`K=V`, or `K` for the value that the environment has (None where it has none)."""
    values: dict[str, str | None] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name:
            raise UsageError(f"--build-arg takes NAME[=VALUE], not {text!r}")
        values[name] = value if equals else environment.get(name)
    return values


def pairs(flag: str, given: Iterable[str], *, need_value: bool = False) -> dict[str, str]:
    """`K=V`; `K` alone has an empty value, unless `need_value`."""
    values: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or (need_value and not value):
            raise UsageError(f"{flag} takes NAME=VALUE, not {text!r}")
        values[name] = value if equals else ""
    return values


def listed(given: Iterable[str]) -> tuple[str, ...]:
    """Docker's lists: repeated, or with commas; a value with `=` (`type=registry,ref=...`) stays whole."""
    return tuple(part for text in given for part in ([text] if "=" in text else text.split(",")) if part)


def attests(given: Iterable[str], provenance: str | None, sbom: str | None) -> tuple[str, ...]:
    """`--attest`, and its short forms: `true` alone, attributes, or `false` for none."""
    found = list(given)
    for kind, text in (("provenance", provenance), ("sbom", sbom)):
        if text is not None and text.lower() not in FALSE:
            found.append(f"type={kind}" if text.lower() in TRUE else f"type={kind},{text}")
    return tuple(found)


def one_of(flag: str, names: Iterable[str]) -> Callable[[str], str]:
    """A reader for a word out of `names`."""
    known = tuple(names)

    def read(text: str) -> str:
        if text not in known:
            raise UsageError(f"{flag} takes {', '.join(known[:-1])} or {known[-1]}, not {text!r}")
        return text

    return read
