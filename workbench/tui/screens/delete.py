"""What goes when an image is deleted: its tags, its children, the containers in the way, the bytes."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.build.format import human_size
from workbench.build.images import Image, Removal, short_id
from workbench.tui.screens.dialogs import ConfirmDialog

_LISTED = 8


def lines_of(chosen: Sequence[tuple[Image, str]], removal: Removal) -> list[str]:
    """The lines between the question and its answers."""
    lines = [f"{reference}  {image.short}" if reference != image.id else image.short for image, reference in chosen]
    if removal.untagged:
        lines.append(f"Tags that go: {_listed(removal.untagged)}")
    if removal.deleted:
        lines.append(f"Images that go: {_listed([short_id(it) for it in removal.deleted])}")
        lines.append(f"Frees {human_size(removal.bytes_freed)}.")
    else:
        lines.append("The image itself stays: it has other names, or is used. Frees 0B.")
    if removal.children:
        lines.append(f"Images built on it: {_listed([short_id(it) for it in removal.children])}")
    elif removal.deleted:
        lines.append("No other image is built on it.")
    if removal.containers:
        lines.append(f"Containers that use it: {_listed(removal.containers)}")
    else:
        lines.append("No container uses it.")
    if removal.blocked:
        lines.append(f"It cannot be deleted: {removal.blocked}")
    return lines


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return f"{', '.join(names[:_LISTED])}{f' and {more} more' if more > 0 else ''}"


class DeleteDialog(ConfirmDialog):
    """Dismissed with "delete", or None. What the engine would refuse offers no deleting."""

    DEFAULT_CSS = """
    DeleteDialog { & > Vertical { border: round $error; } }
    """

    def __init__(self, chosen: Sequence[tuple[Image, str]], removal: Removal) -> None:
        what = chosen[0][1] if len(chosen) == 1 else f"{len(chosen)} images"
        title = f"Delete {short_id(what) if what.startswith('sha256:') else what}?"
        answers = [("back", "Back")] if removal.blocked else [("delete", "Delete"), ("cancel", "Cancel")]
        super().__init__(title, lines_of(chosen, removal), answers, danger="delete")

    def answer(self, name: str | None) -> None:
        self.dismiss("delete" if name == "delete" else None)
