"""What goes when an image is deleted: its tags, its children, the containers in the way, the bytes."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.build.format import human_size
from workbench.build.images import Image, Removal, short_id
from workbench.tui.screens.dialogs import ConfirmDialog

LISTED = 8
"""Images that are named one by one."""


def lines_of(
    chosen: Sequence[tuple[Image, str]],
    removal: Removal,
    users: Sequence[str] = (),
    minutes: float = 0,
    alone: Sequence[int] = (),
) -> list[str]:
    """The lines between the question and its answers. `users` are the containers of these images; for `minutes` they
    can be taken back. `alone` are the bytes that each of the first LISTED would free by itself, where there are
    several."""
    lines = [f"{said}  {image.short}" if said != image.short else said for image, said in chosen[:LISTED]]
    if alone:
        lines = [f"{line}  frees {human_size(size)}" for line, size in zip(lines, alone, strict=True)]
    if len(chosen) > LISTED:
        lines.append(f"and {len(chosen) - LISTED} more")
    who, one = ("It", "it") if len(chosen) == 1 else ("They", "them")
    if removal.blocked:
        lines.insert(0, f"{who} cannot be deleted: {removal.blocked}")
    if removal.untagged:
        lines.append(f"Tags that go: {_listed(removal.untagged)}")
    if removal.deleted:
        lines.append(f"Images that go: {_listed([short_id(it) for it in removal.deleted])}")
        together = _together(removal.bytes_freed, alone if len(alone) == len(chosen) else ())
        lines.append(f"Frees {together}{', once the trash is emptied' if minutes else ''}.")
        if removal.bytes_freed > (size := sum(image.size for image, _ in chosen)):
            lines.append(f"That is more than the {human_size(size)} of files: archives and unpacked layers go, too.")
    elif not removal.blocked:
        stays = "The image itself stays: it has" if len(chosen) == 1 else "The images themselves stay: they have"
        lines.append(f"{stays} other names, or {'is' if len(chosen) == 1 else 'are'} used. Frees 0B.")
    if removal.children:
        lines.append(f"Images built on it: {_listed([short_id(it) for it in removal.children])}")
    elif removal.deleted:
        lines.append(f"No other image is built on {one}.")
    if containers := list(dict.fromkeys([*removal.containers, *users])):
        lines.append(f"Containers that use it: {_listed(containers)}")
    else:
        lines.append(f"No container uses {one}.")
    if removal.blocked:
        return lines
    if minutes:
        lines.append(f"{who} can be taken back for {minutes:g} minutes (u, or the trash).")
    else:
        lines.append(f"{who} cannot be taken back.")
    return lines


def _together(freed: int, alone: Sequence[int]) -> str:
    """`3.1MB`, `3.1MB together`, `3.1MB together, 2MB of it shared by them`."""
    shared = freed - sum(alone)
    if not alone:
        return human_size(freed)
    return f"{human_size(freed)} together{f', {human_size(shared)} of it shared by them' if shared > 0 else ''}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - LISTED
    return f"{', '.join(names[:LISTED])}{f' and {more} more' if more > 0 else ''}"


class DeleteDialog(ConfirmDialog):
    """Dismissed with "delete", or None; `enter` alone cancels. What the engine would refuse offers no deleting."""

    DEFAULT_CSS = """
    DeleteDialog { & > Vertical { border: round $error; } }
    """

    def __init__(
        self,
        chosen: Sequence[tuple[Image, str]],
        removal: Removal,
        users: Sequence[str] = (),
        minutes: float = 0,
        alone: Sequence[int] = (),
    ) -> None:
        what = chosen[0][1] if len(chosen) == 1 else f"{len(chosen)} images"
        title = f"Delete {short_id(what) if what.startswith('sha256:') else what}?"
        answers = [("back", "Back")] if removal.blocked else [("cancel", "Cancel"), ("delete", "Delete")]
        super().__init__(title, lines_of(chosen, removal, users, minutes, alone), answers, danger="delete")

    def answer(self, name: str | None) -> None:
        self.dismiss("delete" if name == "delete" else None)
