"""What the panels know that an editor may offer: the paths that are sent, and the images of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.dockerfile.surroundings import Surroundings

if TYPE_CHECKING:
    from workbench.tui.widgets.context_model import Model
    from workbench.tui.workspace import Workspace


class Around:
    """Calling it answers what the panels of that workspace show now; reading paths may be done in any thread."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._of: Model | None = None
        self._paths: Sequence[str] = ()

    def __call__(self) -> Surroundings:
        model = self._workspace.context_panel.context_tree.model
        images = self._workspace.images_panel.references
        return Surroundings(paths=lambda: self._sent(model), images=images)

    def _sent(self, model: Model | None) -> Sequence[str]:
        if model is not self._of:
            entries = model.entries if model is not None else ()
            sent = model.sent if model is not None else ()
            self._paths = [
                f"{it.path}/" if it.kind == "directory" else it.path
                for it, is_sent in zip(entries, sent, strict=True)
                if is_sent
            ]
            self._of = model
        return self._paths
