"""`workbench builds` and `rollback`: what was built, two of them side by side, and the way back."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from workbench.build.history import History, Record
from workbench.build.images import ImageStore, short_id
from workbench.cli import output
from workbench.cli.engine import with_images
from workbench.cli.parser import Parser
from workbench.cli.source import local_context
from workbench.config import Config
from workbench.errors import InputError, UsageError

_NUMBERS = {"show": 1, "compare": 2, "dockerfile": 1, "log": 1}
"""What can be done with builds, and how many of them it takes."""


def add_arguments(parser: Parser, name: str) -> None:
    if name == "rollback":
        parser.add_argument("tag", metavar="TAG", help="the name that goes back")
        parser.add_argument("build", nargs="?", metavar="BUILD", help="whose image it gets (default: the one before)")
        parser.set_defaults(run=_rollback)
        return
    parser.add_argument("words", nargs="*", metavar="CONTEXT | show | compare | dockerfile | log",
                        help="the folder whose builds are listed (default: here); or what to do with the builds that "
                        "follow by number")  # fmt: skip
    parser.add_argument("--log", metavar="BUILD", help="print the log of a build")
    parser.add_switch("-a", "--all", dest="all", help="the builds of every context")
    parser.add_argument("-n", "--limit", metavar="N", help="only the newest N")
    parser.set_defaults(run=_builds)


def run(args: argparse.Namespace, config: Config) -> int:
    return int(args.run(args, config))


def _builds(args: argparse.Namespace, config: Config) -> int:
    words = ["log", args.log] if args.log is not None else args.words
    if words and words[0] in _NUMBERS:
        return _do(words[0], words[1:], as_json=args.format == "json")
    if len(words) > 1:
        raise UsageError(f"one argument too many: {words[1]!r}", hint=f"Known are {', '.join(_NUMBERS)}, or a folder.")
    limit = None
    if args.limit is not None:
        from workbench.cli.values import whole_number

        limit = max(0, whole_number("--limit", args.limit))
    history = History()
    if args.all:
        found = history.all(rollbacks=True)
    else:
        found = history.list(local_context(words[0] if words else "."), rollbacks=True)
    from workbench.report.builds import build_json, builds_table
    from workbench.report.tables import json_lines

    if args.format == "json":
        sys.stdout.write(json_lines(build_json(it) for it in found[:limit]))
    else:
        sys.stdout.write(builds_table(found[:limit], time.time()))
    return 0


def _do(what: str, names: list[str], *, as_json: bool) -> int:
    from workbench.build.builds_text import build_lines
    from workbench.report import builds as report

    if len(names) != _NUMBERS[what]:
        many = "two builds" if _NUMBERS[what] == 2 else "one build"
        raise UsageError(f"`builds {what}` takes {many}", hint="`workbench builds` lists them with their numbers.")
    history = History()
    every = history.all(rollbacks=True)
    records = [_find(every, name) for name in names]
    record = records[0]
    match what:
        case "show":
            print(json.dumps(report.build_json(record))) if as_json else print("\n".join(build_lines(record)))
        case "compare":
            _compare(history, records, as_json=as_json)
        case "dockerfile":
            details = history.details(record)
            if details is None or details.dockerfile is None:
                raise InputError(f"the Dockerfile of build {record.number} was not kept")
            sys.stdout.write(details.dockerfile)
        case _:
            _log(history, record, as_json=as_json)
    return 0


def _compare(history: History, records: list[Record], *, as_json: bool) -> None:
    from dataclasses import asdict

    from workbench.build.builds_text import comparison_lines
    from workbench.build.compare import compare

    details = [history.details(it) for it in records]
    before, after = (it.dockerfile if it is not None else None for it in details)
    found = compare(records[0], records[1], (before, after))
    print(json.dumps(asdict(found))) if as_json else print("\n".join(comparison_lines(found)))


def _log(history: History, record: Record, *, as_json: bool) -> None:
    from workbench.build.text import clean, one_line

    details = history.details(record)
    if details is None:
        raise InputError(f"the log of build {record.number} was not kept")
    for step in record.steps:
        log = details.logs.get(step.step, "")
        if as_json:
            print(json.dumps({"step": step.step, "text": step.text, "log": log}))
            continue
        print(f"Step {step.step}: {one_line(step.text)}")
        if log:
            sys.stdout.write(clean(log) if log.endswith("\n") else f"{clean(log)}\n")
    if record.error and not as_json:
        print(one_line(record.error))


def _find(builds: Sequence[Record], name: str) -> Record:
    """The build of that number. Raises InputError where it is not kept."""
    number = name.removeprefix("#")
    for it in builds:
        if number == str(it.number):
            return it
    raise InputError(f"there is no build {name!r}", hint="`workbench builds --all` lists those that are kept.")


def _rollback(args: argparse.Namespace, config: Config) -> int:
    from workbench.build.history import Bounds
    from workbench.build.request import normalise_tag
    from workbench.build.rollback import builds_of, remember, roll_back, same_images

    tag = normalise_tag(args.tag)
    history = History(bounds=Bounds.of(config))
    builds = history.all()
    target = _find(history.all(rollbacks=True), args.build) if args.build is not None else None
    of_tag = builds_of(builds, tag)
    engine = target.engine if target else of_tag[0].engine if of_tag else config.engine
    if config.engine == "auto":
        config = replace(config, engine=engine)  # an image is where it was built
    if target and not same_images(target.engine, config.engine):
        raise UsageError(
            f"build {target.number} is an image of the {target.engine} engine, and {config.engine} was asked for",
            hint=f"`--engine {target.engine}` has it.",
        )
    builds = [it for it in builds if same_images(it.engine, config.engine)]

    async def work(images: ImageStore) -> int:
        done = await roll_back(images, builds, tag, target)
        before = short_id(done.before) if done.before else "nothing"
        made = f" (build {done.before_build})" if done.before_build else ""
        print(f"{done.tag}: {before}{made} -> {short_id(done.build.image)} (build {done.build.number})")
        if done.before == done.build.image:
            output.talk("it was that image already")
        try:
            await remember([done], history)
        except OSError as error:
            output.talk(f"it is not in the list of builds: {error.strerror}")
        return 0

    return with_images(config, work)
