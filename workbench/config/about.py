"""What each setting means, for the file that `workbench config --init` writes."""

from __future__ import annotations

from typing import Final

ABOUT: Final[dict[str, str]] = {
    "engine": "Who builds: auto, embedded, docker or buildkit. auto takes a Docker Engine that answers, and the "
    "embedded engine otherwise.",
    "host": "Address of the Docker Engine (unix://, tcp://, ssh://) or of a buildkitd (buildkit://, buildkit+unix://).",
    "docker_context": "Name of a context of the docker command.",
    "engine_timeout": "Seconds that a Docker Engine may leave a question without an answer before it counts as gone.",
    "root": "Folder of the embedded engine's store.",
    "watch": "When the workbench builds what was saved: on (at once), focus (when the terminal gets the focus back or "
    "the editor is left), off (when asked for).",
    "quiet": "Seconds without a change before a rebuild starts; half of them after a save by renaming.",
    "on_disconnect": "What becomes of a running build when the line to the workbench drops: continue or cancel.",
    "theme": "Colours of the screen; the command palette (ctrl+p) lists them, and what is chosen there is kept here.",
    "mouse": "false leaves the mouse to the terminal.",
    "cache_steps": "Steps that the embedded engine's step cache keeps; the longest unused go.",
    "cache_gb": "Gigabytes (10^9 bytes) of layers that it keeps beside those of images.",
    "insecure": "Registries (host:port) whose certificate is not checked, or which have none.",
    "builds_kept": "Finished builds of one context that are kept; the oldest go.",
    "builds_days": "Days after which a finished build goes.",
    "builds_megabytes": "Megabytes of the Dockerfiles and logs of one context's builds, compressed.",
    "trash_minutes": "Minutes for which a deleted image can be taken back; 0 deletes for good at once.",
    "trash_gb": "Gigabytes (10^9 bytes) of deleted images that are held; the oldest go.",
    "mirrors": 'Hosts that the embedded engine asks before a registry, as in "docker.io" = ["mirror.lan:5000"].',
    "keys": 'Other keys for an action: "action" = "key,key". Every action, with the keys that it has by itself:',
}
EXAMPLES: Final[dict[str, str]] = {
    "host": "unix:///var/run/docker.sock",
    "docker_context": "lab",
    "root": "~/.local/share/workbench/store",
}
"""Of settings whose default is nothing."""
