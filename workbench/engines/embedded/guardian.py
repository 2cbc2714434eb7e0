"""Ends the sandboxes of a build whose process was killed: a shell that waits for the end of a pipe.

bwrap's `--die-with-parent` has a hole: a bwrap that dies before it has let its child go leaves that child waiting for
ever. So bwrap does not die with us. Until the guardian knows a sandbox, the sandbox ends by itself when we are gone
(see `sandbox`); from then on the guardian ends it.
"""

from __future__ import annotations

import subprocess
import threading
from contextlib import suppress
from pathlib import Path

_SCRIPT = """\
trap '' HUP INT TERM
alive=
set --
while read -r sign it; do
  case "$sign" in
  +) alive="$alive $it" ;;
  d) set -- "$@" "$it" ;;
  u) for one in "$@"; do shift; [ "$one" = "$it" ] || set -- "$@" "$one"; done ;;
  *)
    left=
    for one in $alive; do [ "$one" = "$it" ] || left="$left $one"; done
    alive=$left
    ;;
  esac
done
for one in $alive; do kill -9 "${one%,*}" "${one#*,}"; done
tries=0
while [ $# -gt 0 ] && [ $tries -lt 100 ]; do
  for one in "$@"; do
    shift
    rmdir "$one" 2>/dev/null
    [ ! -d "$one" ] || set -- "$@" "$one"
  done
  [ $# = 0 ] || sleep 0.05
  tries=$((tries + 1))
done
"""


class Guardian:
    """Started when it is first needed. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shell: subprocess.Popen[bytes] | None = None

    def watch(self, child: int, parent: int) -> None:
        """From now on these two processes end when this process does. Raises OSError where there is no shell."""
        self._tell(f"+ {child},{parent}\n")

    def forget(self, child: int, parent: int) -> None:
        """They have ended."""
        with suppress(OSError):
            self._tell(f"- {child},{parent}\n")

    def watch_folder(self, folder: Path) -> None:
        """This control group, which is about to be made, goes too. Raises OSError where there is no shell."""
        self._tell(f"d {folder}\n")

    def forget_folder(self, folder: Path) -> None:
        """It is gone, or stays."""
        with suppress(OSError):
            self._tell(f"u {folder}\n")

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._shell is None:
                self._shell = subprocess.Popen(
                    ["/bin/sh", "-c", _SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL, cwd="/", env={}, start_new_session=True, bufsize=0,
                )  # fmt: skip
            assert self._shell.stdin is not None
            self._shell.stdin.write(line.encode())

    def close(self) -> None:
        """Ends the guardian, and what it still watches."""
        with self._lock:
            shell, self._shell = self._shell, None
        if shell is not None and shell.stdin is not None:
            shell.stdin.close()
            shell.wait()
