"""The name an image gets where nobody gave one: that of its folder."""

from __future__ import annotations

import re
from pathlib import Path


def tag_for(context: Path) -> str:
    """`~/lab/My Genesis` -> `my-genesis:latest`. A folder whose name has no letter or digit gives `image:latest`."""
    name = re.sub(r"[^a-z0-9]+", "-", context.resolve().name.lower()).strip("-")
    return f"{name or 'image'}:latest"
