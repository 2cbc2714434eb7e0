"""A real terminal to test in: tmux with a server of its own, a shell in it, and the workbench started from that shell.

Nothing sleeps: a test types, presses keys, and waits for what the screen should say. A wait that fails shows it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PROMPT = "ready$"
_NAMES = {"escape": "Escape", "enter": "Enter", "tab": "Tab", "shift+tab": "BTab", "space": "Space",
          "up": "Up", "down": "Down", "left": "Left", "right": "Right", "home": "Home", "end": "End",
          "pageup": "PPage", "pagedown": "NPage", "backspace": "BSpace", "delete": "DC"}  # fmt: skip
_MODIFIERS = {"ctrl": "C-", "alt": "M-", "shift": "S-"}


def tmux_name(key: str) -> str:
    """`ctrl+s` -> `C-s`, `alt+4` -> `M-4`, `f5` -> `F5`: our names of keys as tmux has them."""
    if key in _NAMES:
        return _NAMES[key]
    *modifiers, last = key.split("+") if len(key) > 1 else [key]
    last = _NAMES.get(last, last.upper() if last[0] == "f" and last[1:].isdigit() else last)
    return "".join(_MODIFIERS[modifier] for modifier in modifiers) + last


class Terminal:
    """One tmux session of `columns` by `rows` with a plain shell that shows PROMPT. Close it."""

    def __init__(self, folder: Path, env: Mapping[str, str], *, columns: int = 140, rows: int = 45) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._socket = str(folder / "tmux")
        self._config = folder / "tmux.conf"
        self._config.write_text("set -s escape-time 0\nset -g status off\nset -g default-terminal tmux-256color\n")
        self._env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "SHELL": "/bin/bash",
                     "HISTFILE": "/dev/null", **env}  # fmt: skip
        self._pid_file = folder / "pid"
        shell = f"PS1='{PROMPT} ' exec bash --norc --noprofile"
        size = ["-x", str(columns), "-y", str(rows)]
        self._tmux("-f", str(self._config), "new-session", "-d", "-s", "main", *size, shell)
        self.wait_for(PROMPT)

    def run(self, *command: str, cwd: Path) -> int:
        """Starts a command from the shell, in front; returns its process ID."""
        self._pid_file.unlink(missing_ok=True)
        inner = f"echo $$ > {shlex.quote(str(self._pid_file))}; exec {shlex.join(command)}"
        self.type(f"clear; cd {shlex.quote(str(cwd))} && sh -c {shlex.quote(inner)}")
        self.keys("enter")
        self.wait_for(lambda screen: self._pid_file.exists() and self._pid_file.read_text().endswith("\n"))
        return int(self._pid_file.read_text())

    def type(self, text: str) -> None:
        """Types text as a person would, without interpretation."""
        self._tmux("send-keys", "-t", "main", "-l", "--", text)

    def keys(self, *keys: str) -> None:
        """Presses keys by our names: `ctrl+s`, `escape`, `f5`, `alt+4`, `d`."""
        self._tmux("send-keys", "-t", "main", *(tmux_name(key) for key in keys))

    def click(self, text: str) -> None:
        """Clicks on the lowest place where the screen has the text, as an xterm reports it (SGR 1006)."""
        rows = self.screen().split("\n")
        at = max((row for row, line in enumerate(rows) if text in line), default=None)
        assert at is not None, f"nothing says {text!r}:\n" + "\n".join(rows)
        column = rows[at].rindex(text) + len(text) // 2 + 1
        for end in "Mm":
            self.type(f"\033[<0;{column};{at + 1}{end}")

    def screen(self) -> str:
        """What a person sees now, row by row, without colour."""
        return self._tmux("capture-pane", "-p", "-t", "main")

    def title(self) -> str:
        """The first row."""
        return self.screen().partition("\n")[0]

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-t", "main", "-x", str(columns), "-y", str(rows))

    def mode(self, flag: str) -> str:
        """A flag of the pane as tmux sees it: `alternate_on`, `mouse_any_flag`, `cursor_flag`."""
        return self._tmux("display-message", "-p", "-t", "main", f"#{{{flag}}}").strip()

    def wait_for(self, wanted: str | Callable[[str], bool], timeout: float = 20) -> str:
        """Waits until the screen has the text, or until `wanted(screen)`; returns the screen."""
        seen = wanted if callable(wanted) else lambda screen: wanted in screen
        end = time.monotonic() + timeout
        while True:
            screen = self.screen()
            if seen(screen):
                return screen
            if time.monotonic() > end:
                what = f"did not show {wanted!r}" if isinstance(wanted, str) else "did not come to what was wanted"
                raise AssertionError(f"the screen {what} within {timeout} s:\n{screen}")
            time.sleep(0.05)

    def wait_for_title(self, *words: str, timeout: float = 30) -> str:
        """Waits until the first row has all the words."""
        return self.wait_for(lambda screen: all(word in screen.partition("\n")[0] for word in words), timeout)

    def assert_clean(self, timeout: float = 20) -> None:
        """The shell is back, on its own screen, with a cursor, without mouse reports, and it echoes."""
        wanted = {"alternate_on": "0", "mouse_any_flag": "0", "cursor_flag": "1", "keypad_flag": "0"}
        flags: dict[str, str] = {}

        def clean(screen: str) -> bool:
            flags.update({flag: self.mode(flag) for flag in wanted})
            return flags == wanted and screen.rstrip().endswith(PROMPT)

        try:
            self.wait_for(clean, timeout)
        except AssertionError as error:
            raise AssertionError(f"the terminal is left as {flags}: {error}") from error
        self.type("echo $((6*7))")
        self.wait_for("echo $((6*7))")
        self.keys("enter")
        self.wait_for("\n42\n")

    def close(self) -> None:
        """Ends the server and with it everything in it."""
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, check=False)

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-S", self._socket, *arguments],
            env=self._env, capture_output=True, text=True, errors="replace", timeout=20, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"tmux {arguments[0]}: {done.stderr}"
        return done.stdout
