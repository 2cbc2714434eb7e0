"""Command lines: one parser, built for the one command that runs; its errors are UsageError and end in exit code 2."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from workbench import __version__
from workbench.cli.commands import COMMANDS, SCREEN, Command, CommandModule
from workbench.cli.values import FALSE, TRUE
from workbench.config import ENGINES, Config, load_config
from workbench.errors import UsageError

_EXIT_CODES = (
    "exit codes: 0 done, 1 failed, 2 bad usage or input, 3 the engine is not there,\n            130 interrupted"
)


class _Quick(argparse.HelpFormatter):
    """With it argparse checks each option that is added; of what width does not matter, and to ask takes `shutil`."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=80)


class Parser(argparse.ArgumentParser):
    """argparse with this program's errors, whole option names only, and Docker's `--flag=false`."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(allow_abbrev=False, add_help=False, formatter_class=_Quick, **keywords)
        self.switches: set[str] = set()

    def format_help(self) -> str:
        """As wide as the terminal."""
        self.formatter_class = argparse.RawDescriptionHelpFormatter
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"`{self.prog} --help` lists what there is.")

    def add_switch(self, *names: str, dest: str, default: bool = False, help: str) -> None:
        """A flag that is on when given, and that takes `=true` or `=false` as Docker's flags do."""
        self.add_argument(*names, dest=dest, action="store_true", default=default, help=help)
        off = [f"{name}=false" for name in names if name.startswith("--")]
        self.add_argument(*off, dest=dest, action="store_false", default=default, help=argparse.SUPPRESS)
        self.switches.update(name for name in names if name.startswith("--"))

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """`parse_args`, with its errors as UsageError; `command_line` has the words as they were."""
        parsed, unknown = self.parse_known_args([self._switched(word) for word in words])
        if unknown:
            self._refuse(unknown[0])
        parsed.command_line = tuple(words)
        return parsed

    def _switched(self, word: str) -> str:
        name, equals, value = word.partition("=")
        if not equals or name not in self.switches:
            return word
        if value.lower() in TRUE:
            return name
        if value.lower() in FALSE:
            return f"{name}=false"
        raise UsageError(f"{name} takes true or false, not {value!r}")

    def _refuse(self, word: str) -> NoReturn:
        if not word.startswith("-"):
            self.error(f"one argument too many: {word!r}")
        import difflib

        name = word.split("=", 1)[0]
        near = difflib.get_close_matches(name, [known for known in self._option_string_actions if "=" not in known], 1)
        raise UsageError(
            f"unknown option {name}",
            hint=f"Did you mean {near[0]}?" if near else f"`{self.prog} --help` lists what there is.",
        )


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *unused: object) -> None:
        print(f"workbench {__version__}")
        parser.exit()


def command_parser(command: Command, module: CommandModule) -> Parser:
    """The parser of one command, common flags included."""
    prog = f"workbench {command.name}".rstrip()
    parser = Parser(
        prog=prog,
        usage=f"{prog} {command.usage}",
        description=command.summary[0].upper() + command.summary[1:] + ".",
        epilog=_examples(command.examples),
    )
    module.add_arguments(parser, command.name)
    common = parser.add_argument_group("common")
    common.add_argument("--engine", metavar="NAME", help=f"{', '.join(ENGINES[:-1])} (WORKBENCH_ENGINE; default auto)")
    common.add_argument("-H", "--host", metavar="ADDRESS", help="Docker Engine: unix://, tcp://, ssh:// (DOCKER_HOST)")
    common.add_argument("--docker-context", metavar="NAME", help="a context of the docker command (DOCKER_CONTEXT)")
    common.add_argument("--root", metavar="DIR", help="store of the embedded engine (WORKBENCH_ROOT)")
    if command.table:
        common.add_argument("--format", choices=("table", "json"), default="table", help="default: table")
    common.add_argument("--version", action=_Version, nargs=0, help="print the version")
    common.add_argument("-h", "--help", action="help", help="print this")
    return parser


def _examples(examples: Sequence[str]) -> str:
    return "examples:\n" + "".join(f"  {example}\n" for example in examples) + "\n" + _EXIT_CODES if examples else ""


def top_help(arguments: Sequence[str]) -> str:
    """`workbench --help`: the commands, then what the screen takes."""
    commands = "".join(f"  {command.name:13}{command.summary}\n" for command in COMMANDS)
    screen = command_parser(SCREEN, SCREEN.load())
    screen.usage = "workbench [OPTIONS] [CONTEXT]\n       workbench [OPTIONS] COMMAND ..."
    screen.description = (
        "Build container images from a terminal, and see what is inside, what changed\nand why.\n\n"
        f"commands:\n{commands}\n"
        "`workbench COMMAND --help` says more. Without a command the workbench opens on\nCONTEXT (default: here)."
    )
    return screen.format_help()


def configured(args: argparse.Namespace, *, aloud: bool = True) -> Config:
    """File, then environment, then flags; `aloud` says what of the file was not understood. A host that is given as a
    flag outweighs a Docker context of the environment, and the other way round."""
    config = load_config()
    if aloud:
        from workbench.cli import output

        for remark in config.remarks:
            output.talk(remark)
    if args.host:
        config = replace(config, docker_context=None)
    elif args.docker_context:
        config = replace(config, host=None)
    if args.root is not None and not args.root:
        raise UsageError("--root needs a folder")
    root = Path(args.root).expanduser().resolve() if args.root else None
    return config.with_flags(engine=args.engine, host=args.host, docker_context=args.docker_context, root=root)
