"""`RUN --mount=type=...`: fields, defaults and refusals as BuildKit has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench.dataclass import dataclass
from workbench.dockerfile.suggest import did_you_mean
from workbench.dockerfile.values import parse_bool, parse_size

TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
SHARING = ("shared", "private", "locked")

_PLAIN = {
    "from": "from_",
    "source": "source",
    "src": "source",
    "target": "target",
    "dst": "target",
    "destination": "target",
    "id": "id",
    "env": "env",
}
_KEYS = (*_PLAIN, "type", "readonly", "ro", "readwrite", "rw", "required", "size", "sharing", "mode", "uid", "gid")


class MountError(ValueError):
    """A mount that cannot be."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount. While `text` has variables in other than plain fields, those fields still have their defaults."""

    text: str
    """As written behind `--mount=`."""
    type: str = "bind"
    from_: str = ""
    source: str = ""
    target: str = ""
    read_only: bool = True
    size: int = 0
    """Bytes of a tmpfs, 0 for no limit."""
    id: str = ""
    sharing: str = ""
    """Of a cache; "" is "shared"."""
    required: bool = False
    env: str | None = None
    """The variable that holds a secret; "" is named after its id."""
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


def parse_mount(text: str, expand: Callable[[str], str] | None = None) -> Mount:
    """Reads one mount, its values expanded by `expand`. Without it, values with a variable are left for later.

    Raises MountError, and what `expand` raises.
    """
    found: dict[str, Any] = {}
    later = False
    items = _items(text)
    if expand is None and any(item.lower().startswith("type=") and "$" in item for item in items):
        return Mount(text)
    for item in items:
        key, equals, value = item.partition("=")
        key = key.lower()
        if equals and expand is not None:
            value = expand(value)
        elif "$" in value:
            if key == "from" and value.find("$") != len(value) - 1:
                raise MountError("'from' doesn't support variable expansion, define alias stage instead")
            if key not in _PLAIN:
                later = later or key in _KEYS
                if key in _KEYS:
                    continue
        _field(found, key, value if equals else None, item)
    if not later:
        _check(found)
    kind = found.get("type", "bind")
    found.setdefault("read_only", kind not in ("cache", "tmpfs"))
    return Mount(text, **found)


def _items(text: str) -> list[str]:
    if '"' not in text:
        return text.split(",")
    import csv

    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise MountError(f"failed to parse csv mounts: {error}") from error
    return rows[0] if rows else []


def _field(found: dict[str, Any], key: str, value: str | None, item: str) -> None:
    kind = found.get("type", "bind")
    if value is None:
        if key not in ("readonly", "ro", "readwrite", "rw", "required"):
            raise MountError(f"invalid field '{item}' must be a key=value pair")
        value = "true"
    if key in _PLAIN:
        found[_PLAIN[key]] = value
    elif key == "type":
        found["type"] = value.lower()
        if value.lower() not in TYPES:
            raise MountError(f'unsupported mount type "{value}"{did_you_mean(value, TYPES)}')
    elif key in ("readonly", "ro", "readwrite", "rw"):
        found["read_only"] = _bool(key, value) == (key in ("readonly", "ro"))
    elif (key == "required" and kind not in ("secret", "ssh")) or (key == "size" and kind != "tmpfs"):
        raise MountError(f"unexpected key '{key}' for mount type '{kind}'")
    elif key == "required":
        found["required"] = _bool(key, value)
    elif key == "size":
        try:
            found["size"] = parse_size(value)
        except ValueError as error:
            raise MountError(f"invalid value for size: {value}") from error
    elif key == "sharing":
        found["sharing"] = value.lower()
        if value.lower() not in SHARING:
            raise MountError(f'unsupported sharing value "{value}"{did_you_mean(value, SHARING)}')
    elif key in ("mode", "uid", "gid"):
        found[key] = _number(key, value)
    else:
        raise MountError(f"unexpected key '{key}' in '{item}'{did_you_mean(key, _KEYS)}")


def _check(found: dict[str, Any]) -> None:
    """The combinations that BuildKit refuses."""
    kind = found.get("type", "bind")
    if kind in ("bind", "tmpfs"):
        for key in ("mode", "uid", "gid"):
            if key in found:
                raise MountError(f'{key} not allowed for "{kind}" type mounts')
    if kind == "secret":
        if found.get("from_"):
            raise MountError("secret mount should not have a from")
        if found.get("sharing"):
            raise MountError("secret mount should not define sharing")
        if not (found.get("source") or found.get("target") or found.get("id")):
            raise MountError("invalid secret mount. one of source, target required")
        if found.get("source") and found.get("id"):
            raise MountError("both source and id can't be set")
    if found.get("sharing") and kind != "cache":
        raise MountError(f"invalid cache sharing set for {kind} mount")


def _bool(key: str, value: str) -> bool:
    try:
        return parse_bool(value)
    except ValueError as error:
        raise MountError(f"invalid value for {key}: {value}") from error


def _number(key: str, value: str) -> int:
    base = 8 if key == "mode" else 10
    digits = "01234567" if key == "mode" else "0123456789"
    if not value or value.strip(digits) or len(value) > 12 or int(value, base) >= 2**32:
        raise MountError(f"invalid value {value} for {key}")
    return int(value, base)
