"""`workbench check`: what is to be said about a Dockerfile, without building it.

Exit code 0 with and without warnings (1 with `--strict`), 2 for an error or a Dockerfile that does not parse.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from workbench.cli.parser import Parser
from workbench.config import Config
from workbench.errors import InputError


def add_arguments(parser: Parser, name: str) -> None:
    parser.add_argument("path", nargs="?", default=".", metavar="PATH",
                        help="a context, a Dockerfile, or - for stdin (default: here)")  # fmt: skip
    parser.add_argument("-f", "--file", metavar="FILE", help="the Dockerfile, where it is not PATH/Dockerfile")
    parser.add_switch("--strict", dest="strict", help="exit code 1 for warnings")


def run(args: argparse.Namespace, config: Config) -> int:
    data, shown = _read(args.path, args.file)
    return check(data, shown, as_json=args.format == "json", strict=args.strict)


def check(data: bytes, shown: str, *, as_json: bool = False, strict: bool = False) -> int:
    """Prints the diagnostics of a Dockerfile that is called `shown`. Raises DockerfileError where it does not parse."""
    from workbench.dockerfile import decode, parse
    from workbench.dockerfile.lint import check as lint
    from workbench.report.diagnostics import diagnostic_json, diagnostic_lines
    from workbench.report.tables import json_lines

    found = lint(parse(decode(data, path=shown), path=shown))
    if as_json:
        sys.stdout.write(json_lines(diagnostic_json(it, shown) for it in found))
    else:
        sys.stdout.write(diagnostic_lines(found, shown))
    severities = {it.severity for it in found}
    return 2 if "error" in severities else 1 if strict and "warning" in severities else 0


def _read(name: str, file: str | None) -> tuple[bytes, str]:
    from workbench.cli.source import dockerfile_path, local_context, read_bytes

    if name == "-" or file == "-":
        return sys.stdin.buffer.read(), "-"
    path = Path(name)
    if file is None and path.exists() and not path.is_dir():
        return read_bytes(path, name), name
    context = local_context(name)
    dockerfile = dockerfile_path(context, file)
    full = context / dockerfile
    shown = file or str(Path(name, dockerfile))
    if not full.is_file():
        raise InputError(f"there is no Dockerfile at {shown}", hint="Name it with -f FILE.")
    return read_bytes(full, shown), shown
