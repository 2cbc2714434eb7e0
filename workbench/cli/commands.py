"""The table of commands, and how a command line is split: common flags may stand before the command's name."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from typing import Protocol, cast

from workbench.config import Config
from workbench.dataclass import dataclass


class CommandModule(Protocol):
    """What a module of a command has: its flags, and what it does."""

    def add_arguments(self, parser: argparse.ArgumentParser, name: str) -> None: ...

    def run(self, args: argparse.Namespace, config: Config) -> int:
        """The exit code."""
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """A command's name, the module of `workbench.cli` that has it, what help says, and whether it prints a table."""

    name: str
    module: str
    summary: str
    usage: str = ""
    examples: tuple[str, ...] = ()
    table: bool = False

    def load(self) -> CommandModule:
        return cast(CommandModule, importlib.import_module(f"workbench.cli.{self.module}"))


SCREEN = Command(
    "", "screen", "open the workbench on a build context", "[OPTIONS] [CONTEXT]",
    ("workbench", "workbench -t genesis sample_contexts/genesis", "workbench ./build   # a folder named as a command",
     "workbench --tour   # learn it in two minutes"),
)  # fmt: skip

COMMANDS = (
    Command("build", "build", "build an image, headless", "[OPTIONS] PATH | URL | -",
            ("workbench build -t genesis .", "workbench build --target test --build-arg VERSION=2 .",
             "workbench build --progress json . | jq .event", "tar c . | workbench build -"), table=False),
    Command("images", "images", "list images", "[OPTIONS] [REPOSITORY[:TAG]]",
            ("workbench images", "workbench images -q --filter dangling=true", "workbench images --format json"),
            table=True),
    Command("rmi", "remove", "remove images", "[OPTIONS] IMAGE [IMAGE...]",
            ("workbench rmi genesis", "workbench rmi --trash genesis")),
    Command("trash", "trash", "deleted images that can be taken back", "[OPTIONS] [list|restore|empty] [IMAGE...]",
            ("workbench trash", "workbench trash restore genesis", "workbench trash empty --force"), table=True),
    Command("untag", "remove", "take names away; their images stay", "IMAGE:TAG [IMAGE:TAG...]",
            ("workbench untag genesis:1.0",)),
    Command("tag", "remove", "give an image another name", "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
            ("workbench tag genesis genesis:1.0",)),
    Command("history", "images", "the layers of an image", "[OPTIONS] IMAGE",
            ("workbench history genesis",), table=True),
    Command("inspect", "images", "everything about images, as JSON", "[OPTIONS] IMAGE [IMAGE...]",
            ("workbench inspect genesis",), table=True),
    Command("prune", "remove", "remove images that nothing uses, or what is cached", "[OPTIONS]",
            ("workbench prune --dry-run", "workbench prune --all --force", "workbench prune --cache"), table=True),
    Command("df", "usage", "what images and caches take of the disk", "[OPTIONS]",
            ("workbench df", "workbench df -v", "workbench df --format json"), table=True),
    Command("check-store", "check_store", "whether the embedded engine's store is whole", "[OPTIONS]",
            ("workbench check-store", "workbench check-store --repair"), table=True),
    Command("builds", "builds", "finished builds: list, show, compare; Dockerfile and log of each",
            "[OPTIONS] [CONTEXT]\n       workbench builds show|dockerfile|log|compare BUILD [BUILD]",
            ("workbench builds", "workbench builds compare 3 7", "workbench builds --log 7",
             "workbench builds dockerfile 3 > Dockerfile"), table=True),
    Command("rollback", "builds", "give a name back to the image of an earlier build", "[OPTIONS] TAG [BUILD]",
            ("workbench rollback genesis", "workbench rollback genesis 3")),
    Command("save", "archives", "write images to a tar", "[OPTIONS] IMAGE [IMAGE...]",
            ("workbench save -o genesis.tar genesis", "workbench save genesis | docker load")),
    Command("load", "archives", "read images from a tar", "[OPTIONS]",
            ("workbench load -i genesis.tar", "docker save genesis | workbench load")),
    Command("import", "archives", "make an image of a file system's tar", "[OPTIONS] FILE|URL|- [REPOSITORY[:TAG]]",
            ("workbench import rootfs.tar debian:mine", "tar c -C root . | workbench import - mine")),
    Command("commit", "commit", "make an image of a container", "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
            ("workbench commit web web:patched", "workbench commit -c 'CMD [\"sh\"]' web")),
    Command("push", "archives", "send an image to a registry", "[OPTIONS] NAME[:TAG]",
            ("workbench push host:5000/genesis",)),
    Command("pull", "archives", "fetch an image from a registry", "[OPTIONS] NAME[:TAG]",
            ("workbench pull debian:12",)),
    Command("context", "context", "what a build would send, and which line of .dockerignore decided",
            "[OPTIONS] [PATH]",
            ("workbench context", "workbench context --ignored --format json ."), table=True),
    Command("check", "check", "diagnostics of a Dockerfile", "[OPTIONS] [PATH|-]",
            ("workbench check", "workbench check --fix", "workbench check --format json ."), table=True),
    Command("engines", "engines", "each engine: usable here or not, and why", "[OPTIONS]",
            ("workbench engines",), table=True),
    Command("config", "settings", "the file of settings: where it is, what takes effect, a new one", "[OPTIONS]",
            ("workbench config", "workbench config --init"), table=True),
    Command("demo", "demo", "try the workbench on a sample context", "[OPTIONS] [NAME]",
            ("workbench demo genesis", "workbench demo --list", "workbench demo --make sample_contexts/genesis"),
            table=True),
    Command("completion", "completion", "the script that lets a shell complete this command", "bash|zsh|fish",
            ('eval "$(workbench completion bash)"   # in ~/.bashrc',
             "source <(workbench completion zsh)   # in ~/.zshrc",
             "workbench completion fish > ~/.config/fish/completions/workbench.fish")),
)  # fmt: skip

_BY_NAME = {command.name: command for command in COMMANDS}

WITH_VALUE = frozenset({"--engine", "-H", "--host", "--docker-context", "--root", "--format"})
"""The common flags that take a value: what may stand before a command's name."""
_HELP = frozenset({"-h", "--help"})


def find(argv: Sequence[str]) -> tuple[Command | None, list[str]]:
    """The command, and its arguments with the common flags that stood before its name.

    Without a command's name it is the screen, and a first word that names no command is its context. None where only
    help about the whole was asked for.
    """
    at = 0
    while at < len(argv):
        word = argv[at]
        if word in _BY_NAME:
            return _BY_NAME[word], [*argv[:at], *argv[at + 1 :]]
        if word in WITH_VALUE:
            at += 2
        elif _stands_alone(word):
            at += 1
        else:
            break
    if any(word in _HELP for word in argv):
        return None, list(argv)
    return SCREEN, list(argv)


def _stands_alone(word: str) -> bool:
    """A common flag that has its value in the same word, or needs none."""
    if not word.startswith("-"):
        return False
    return word.startswith("-H") or word in _HELP or word == "--version" or word.split("=", 1)[0] in WITH_VALUE
