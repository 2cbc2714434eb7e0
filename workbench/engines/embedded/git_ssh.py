"""What git is told of ssh: the agent that the build was lent, and where this person's files are.

ssh asks the list of accounts for the home folder, not HOME. Where we are number 0 of a user namespace that is root's,
whose files we may not read, and whose known hosts are not ours; so the files are named.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from workbench.engines.embedded.subids import has_range

_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")


def git_environment(agents: Mapping[str, str]) -> dict[str, str]:
    """Variables for git. `agents` are sockets by ID (`--ssh`); git has the one of `default`. A person's own
    GIT_SSH_COMMAND or GIT_SSH is left as it is."""
    out = {"SSH_AUTH_SOCK": agents["default"]} if "default" in agents else {}
    if not ({"GIT_SSH_COMMAND", "GIT_SSH"} & os.environ.keys()):
        out["GIT_SSH_COMMAND"] = shlex.join(["ssh", "-o", "BatchMode=yes", *_files()])
    return out


def _files() -> list[str]:
    if not has_range():
        return []
    folder = Path(os.environ.get("HOME", "/")) / ".ssh"
    known = " ".join(f'"{folder / name}"' for name in ("known_hosts", "known_hosts2"))
    options = ["-o", f"UserKnownHostsFile={known}"]
    if (folder / "config").is_file():
        options += ["-F", str(folder / "config")]
    for name in _KEYS:
        if (folder / name).is_file():
            options += ["-i", str(folder / name)]
    return options
