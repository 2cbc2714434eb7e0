"""The name an image gets where nobody gave one, that of its folder; and how a folder is named to a person."""

from __future__ import annotations

import re
from pathlib import Path


def tag_for(context: Path) -> str:
    """`~/lab/My Genesis` -> `my-genesis:latest`. A folder whose name has no letter or digit gives `image:latest`."""
    name = re.sub(r"[^a-z0-9]+", "-", context.resolve().name.lower()).strip("-")
    return f"{name or 'image'}:latest"


def short_path(path: Path) -> str:
    """`~/lab` for a folder of the user's home."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) and path != home else str(path)
