"""What a Docker Engine does with an image after the build: hand out an archive of it, push it."""

from __future__ import annotations

import base64
import json
import tempfile
import urllib.parse
from collections.abc import Sequence

from workbench.engines.buildkit.archive import docker_to_oci
from workbench.engines.buildkit.credentials import Credentials
from workbench.engines.buildkit.filesend import FileOutput
from workbench.engines.buildkit.http import Refused, call, json_lines
from workbench.engines.buildkit.outputs import Output
from workbench.engines.dial import Dialer
from workbench.engines.threads import in_thread
from workbench.errors import ImageError

_BLOCK = 1 << 20


def save(dialer: Dialer, image: str, tags: Sequence[str], output: Output) -> None:
    """The image as an archive at `output.dest`, tags included. Blocks. Raises InputError, ImageError, EngineLost."""
    query = urllib.parse.urlencode([("names", name) for name in output.names(tags) or (image,)])
    file = FileOutput(output.dest)
    try:
        with call(dialer, "GET", f"/images/get?{query}") as response:
            if output.kind == "oci":
                with tempfile.TemporaryFile() as whole:
                    while block := response.read(_BLOCK):
                        whole.write(block)
                    whole.seek(0)
                    docker_to_oci(whole, file)
            else:
                while block := response.read(_BLOCK):
                    file.write(block)
        file.commit()
    except Refused as error:
        raise ImageError(f"the engine does not save the image: {error.message}") from error
    finally:
        file.close()


async def push(dialer: Dialer, tags: Sequence[str], credentials: Credentials) -> None:
    """Each tag, to its registry. Raises ImageError, EngineLost."""
    for tag in tags:
        name, _, version = tag.rpartition(":")
        registry = name.partition("/")[0]
        if not ("." in registry or ":" in registry or registry == "localhost"):
            registry = "registry-1.docker.io"
        user, secret = await credentials.get(registry)
        await in_thread(_push, dialer, name, version, registry, user, secret)


def _push(dialer: Dialer, name: str, version: str, registry: str, user: str, secret: str) -> None:
    said = {"username": user, "password": secret} if user else {"identitytoken": secret} if secret else {}
    header = base64.urlsafe_b64encode(json.dumps({**said, "serveraddress": registry}).encode()).decode()
    target = f"/images/{urllib.parse.quote(name)}/push?{urllib.parse.urlencode({'tag': version})}"
    try:
        with call(dialer, "POST", target, headers={"X-Registry-Auth": header}) as response:
            for line in json_lines(response):
                if "errorDetail" in line or "error" in line:
                    why = (line.get("errorDetail") or {}).get("message") or line.get("error")
                    raise ImageError(f"{name}:{version} was built and not pushed: {why}")
    except Refused as error:
        raise ImageError(f"{name}:{version} was built and not pushed: {error.message}") from error
