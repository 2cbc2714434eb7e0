"""`workbench check`: what is to be said about a Dockerfile, without building it.

Exit code 0 with and without warnings (1 with `--strict`), 2 for an error or a Dockerfile that does not parse.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.cli.parser import Parser
from workbench.config import Config
from workbench.errors import DockerfileError, InputError, StoreError, UsageError

if TYPE_CHECKING:
    from workbench.dockerfile.lint import Diagnostic
    from workbench.dockerfile.surroundings import Surroundings


def add_arguments(parser: Parser, name: str) -> None:
    parser.add_argument("path", nargs="?", default=".", metavar="PATH",
                        help="a context, a Dockerfile, or - for stdin (default: here)")  # fmt: skip
    parser.add_argument("-f", "--file", metavar="FILE", help="the Dockerfile, where it is not PATH/Dockerfile")
    parser.add_switch("--fix", dest="fix", help="change the file: apply every fix that keeps what is built")
    parser.add_switch("--strict", dest="strict", help="exit code 1 for warnings")


def run(args: argparse.Namespace, config: Config) -> int:
    if args.fix and "-" in (args.path, args.file):
        raise UsageError("--fix changes a file, and stdin is none", hint="Name the Dockerfile.")
    data, shown, path, context = _read(args.path, args.file)
    as_json = args.format == "json"
    return check(data, shown, as_json=as_json, strict=args.strict, path=path, context=context, fix=args.fix)


def check(
    data: bytes,
    shown: str,
    *,
    as_json: bool = False,
    strict: bool = False,
    path: Path | None = None,
    context: Path | None = None,
    fix: bool = False,
) -> int:
    """Prints the diagnostics of a Dockerfile that is called `shown`. With `fix` the safe fixes go into `path` first.

    Raises DockerfileError where it does not parse, its hint saying what is near; StoreError where it cannot be written.
    """
    from workbench.build.surroundings import context_surroundings
    from workbench.dockerfile import decode
    from workbench.dockerfile.lint import fix_all
    from workbench.report.diagnostics import diagnostic_json, diagnostic_lines, fixed_lines
    from workbench.report.tables import json_lines

    text = decode(data, path=shown)
    surroundings = context_surroundings(context, path or "Dockerfile")
    found = _found(text, shown, surroundings)
    settled: list[Diagnostic] = []
    if fix and path is not None:
        fixed, settled = fix_all(text, lambda it: _found(it, shown, surroundings))
        if fixed != text:
            _write(path, fixed, shown)
            found = _found(fixed, shown, surroundings)
    if as_json:
        sys.stdout.write(json_lines(diagnostic_json(it, shown, fixed=True) for it in settled))
        sys.stdout.write(json_lines(diagnostic_json(it, shown) for it in found))
    else:
        sys.stdout.write(fixed_lines(settled, shown) + diagnostic_lines(found, shown))
    severities = {it.severity for it in found}
    return 2 if "error" in severities else 1 if strict and "warning" in severities else 0


def _found(text: str, shown: str, surroundings: Surroundings) -> list[Diagnostic]:
    from workbench.dockerfile import parse
    from workbench.dockerfile.lint import check as lint
    from workbench.dockerfile.mend import mend

    try:
        return lint(parse(text, path=shown), surroundings=surroundings)
    except DockerfileError as error:
        guess = mend(text, error)
        if guess is not None and not error.hint:
            error.hint = f"Perhaps: {guess.title}."
        raise


def _write(path: Path, text: str, shown: str) -> None:
    from workbench.files import write_text

    try:
        write_text(path, text)
    except StoreError as error:
        raise StoreError(str(error), hint=f"{shown} is as it was.") from error


def _read(name: str, file: str | None) -> tuple[bytes, str, Path | None, Path | None]:
    """The bytes, what a person calls the file, its path, and the context it is for; None where there is none."""
    from workbench.cli.source import dockerfile_path, local_context, read_bytes

    if name == "-" or file == "-":
        return sys.stdin.buffer.read(), "-", None, None
    path = Path(name)
    if file is None and path.exists() and not path.is_dir():
        return read_bytes(path, name), name, path.absolute(), path.absolute().parent
    context = local_context(name)
    dockerfile = dockerfile_path(context, file)
    full = context / dockerfile
    shown = file or str(Path(name, dockerfile))
    if not full.is_file():
        raise InputError(f"there is no Dockerfile at {shown}", hint="Name it with -f FILE.")
    return read_bytes(full, shown), shown, full, context
