"""Which hosts stand for a registry, and which of them may be spoken to without a certificate."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType

from workbench.dataclass import dataclass
from workbench.engines.embedded.registry.reference import HUB

_HUB_API = "registry-1.docker.io"
_CERTIFICATES = ("/etc/docker/certs.d", "/etc/containers/certs.d", "~/.config/docker/certs.d")


@dataclass(frozen=True, slots=True)
class Registries:
    """`mirrors` maps a registry to hosts that are asked before it; `insecure` are hosts (with their port) whose
    certificate is not checked, or which have none and are spoken to in plain HTTP."""

    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    insecure: tuple[str, ...] = ()

    def hosts(self, domain: str) -> tuple[str, ...]:
        """Where a pull asks, in order: the mirrors, then the registry itself."""
        return (*self.mirrors.get(domain, ()), api_host(domain))

    def schemes(self, host: str) -> tuple[str, ...]:
        """What may be spoken with `host`, in the order in which it is tried. HTTP only on loopback and where it is
        listed: as Docker, but certificates on loopback are checked."""
        if is_loopback(host):
            return ("http", "https")
        return ("https", "http") if self.is_insecure(host) else ("https",)

    def is_insecure(self, host: str) -> bool:
        return host in self.insecure


def api_host(domain: str) -> str:
    """Where the registry that people call `domain` answers."""
    return _HUB_API if domain == HUB else domain


def host_name(host: str) -> str:
    """`localhost:5000` -> `localhost`, `[::1]:5000` -> `::1`."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_loopback(host: str) -> bool:
    name = host_name(host)
    if name == "localhost":
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def certificates(host: str, folders: tuple[str, ...] = _CERTIFICATES) -> list[Path]:
    """The folders `certs.d/HOST` there are, where Docker and Podman look for `*.crt`, `*.cert` and `*.key`."""
    found = (Path(os.path.expanduser(folder)) / host for folder in folders)
    return [folder for folder in found if folder.is_dir()]
