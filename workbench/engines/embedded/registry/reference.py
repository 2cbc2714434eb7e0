"""Names of images in registries, as Docker reads them: `busybox` is `docker.io/library/busybox:latest`.

Source: https://github.com/distribution/reference (grammar of reference.go, ParseNormalizedNamed).
"""

from __future__ import annotations

import re

from workbench.build.request import normalise_tag
from workbench.dataclass import dataclass
from workbench.engines.embedded.layout import is_digest
from workbench.engines.embedded.refs import familiar, split_tag
from workbench.errors import UsageError

HUB = "docker.io"
_MOST = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """An image in a registry: by `digest` where it has one, else by `tag`."""

    domain: str
    """`docker.io`, `localhost:5000`: what a person calls the registry."""
    repository: str
    """Its name in the registry: `library/busybox`."""
    tag: str
    digest: str = ""

    @property
    def version(self) -> str:
        """What a manifest is asked for by: the digest, else the tag."""
        return self.digest or self.tag

    @property
    def name(self) -> str:
        """As Docker shows it, without tag or digest: `busybox`, `localhost:5000/a/b`."""
        return split_tag(familiar(f"{self.domain}/{self.repository}:latest"))[0]

    @property
    def short(self) -> str:
        """Without the registry: what to ask that registry for."""
        return str(self).removeprefix(f"{self.domain}/")

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


def parse_reference(text: str) -> Reference:
    """Raises UsageError for what can be no name of an image in a registry: an ID, say."""
    name, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise UsageError(f"{text!r}: what follows the @ is not a sha256 digest")
    if not at and re.fullmatch(r"(sha256:)?[0-9a-f]{64}", text):
        raise UsageError(f"{text!r} is an image ID, which no registry knows", hint="Give the image's name.")
    full = normalise_tag(name)
    domain, slash, rest = full.partition("/")
    if not slash or not ("." in domain or ":" in domain or domain == "localhost" or domain != domain.lower()):
        domain, rest = HUB, full
    if domain == "index.docker.io":
        domain = HUB
    repository, tag = split_tag(rest)
    if domain == HUB and "/" not in repository:
        repository = f"library/{repository}"
    if len(repository) > _MOST:
        raise UsageError(f"{text!r}: a name of more than {_MOST} characters")
    return Reference(domain, repository, tag, digest if at else "")
