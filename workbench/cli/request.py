"""The options of `docker build`, and the BuildRequest that they make."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from workbench.build.request import BuildRequest
from workbench.cli import values
from workbench.cli.parser import Parser
from workbench.cli.source import Source

# Options that take a text and may be given again, once, a number, a size; each with the words that help has for it.
_LISTS = {
    "--build-arg": ("NAME[=VALUE]", "value of an ARG; without =VALUE that of the environment"),
    "--label": ("NAME=VALUE", "metadata of the image"),
    "--add-host": ("NAME:ADDRESS", "a line for /etc/hosts"),
    "--cache-from": ("IMAGE", "images whose layers may be reused"),
    "--cache-to": ("WHERE", "where the cache goes"),
    "--no-cache-filter": ("STAGE", "stages that are built without cache"),
    "--security-opt": ("OPTION", "security options"),
    "--ulimit": ("NAME=SOFT[:HARD]", "limits of the processes that RUN starts"),
    "--secret": ("id=ID[,src=FILE]", "a secret for RUN --mount=type=secret"),
    "--ssh": ("default|ID[=SOCKET]", "an agent for RUN --mount=type=ssh"),
    "--build-context": ("NAME=PATH", "a second context: a folder, docker-image://, oci-layout://, a URL"),
    "--annotation": ("[LEVEL:]NAME=VALUE", "an annotation of the image's manifest, index, ..."),
    "--attest": ("type=TYPE", "an attestation: type=provenance, type=sbom"),
    "--allow": ("ENTITLEMENT", "what RUN may ask for: network.host, security.insecure"),
}
_TEXTS = {
    "--target": ("STAGE", "the stage to build"),
    "--platform": ("OS/ARCH", "the platform of the image"),
    "--network": ("MODE", "the network of RUN: default, none, host"),
    "--cgroup-parent": ("GROUP", "parent control group of RUN"),
    "--cpuset-cpus": ("CPUS", "CPUs for RUN (0-3, 0,1)"),
    "--cpuset-mems": ("NODES", "memory nodes for RUN (0-3, 0,1)"),
    "--isolation": ("TECHNOLOGY", "isolation of containers"),
    "--cpu-period": ("N", "period of the CPU scheduler"),
    "--cpu-quota": ("N", "quota of the CPU scheduler"),
    "--memory-swap": ("SIZE", "memory and swap together; -1 is no limit"),
    "--shm-size": ("SIZE", "size of /dev/shm"),
    "--provenance": ("true|mode=MODE", "short for --attest type=provenance"),
    "--sbom": ("true|generator=IMAGE", "short for --attest type=sbom"),
}
_SWITCHES = {
    "--compress": ("compress", False, "compress the context on its way"),
    "--disable-content-trust": ("disable_content_trust", True, "do not verify images (default true)"),
    "--force-rm": ("force_rm", False, "remove intermediate containers, of a failed build too"),
    "--no-cache": ("no_cache", False, "reuse nothing"),
    "--pull": ("pull", False, "look for a newer base image"),
    "--rm": ("rm", True, "remove intermediate containers (default true)"),
    "--squash": ("squash", False, "one layer for all steps"),
}
_OUTPUTS = {
    "--load": ("docker", "the image into the engine's store"),
    "--push": ("registry", "the image to its registry"),
}


def add_request_arguments(parser: Parser) -> None:
    """Every option of BuildRequest."""
    group = parser.add_argument_group("build")
    group.add_argument("-f", "--file", metavar="FILE", help="the Dockerfile (default: PATH/Dockerfile); - is stdin")
    group.add_argument("-t", "--tag", action="append", default=[], metavar="NAME[:TAG]", help="name of the image")
    group.add_argument("-m", "--memory", metavar="SIZE", help="memory for RUN, as in 512m")
    group.add_argument("-c", "--cpu-shares", metavar="N", help="weight of the CPU for RUN")
    group.add_argument("-o", "--output", action="append", default=[], metavar="WHERE", help="where the result goes")
    for flag, (metavar, text) in _LISTS.items():
        group.add_argument(flag, action="append", default=[], metavar=metavar, help=text)
    for flag, (metavar, text) in _TEXTS.items():
        group.add_argument(flag, metavar=metavar, help=text)
    for flag, (dest, default, text) in _SWITCHES.items():
        parser.add_switch(flag, dest=dest, default=default, help=text)
    for flag, (kind, text) in _OUTPUTS.items():
        parser.add_switch(flag, dest=kind, help=f"{text}: short for --output type={kind}")


def request_fields(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of BuildRequest that the options say. Raises UsageError, naming the option."""

    def number(name: str) -> int | None:
        text = getattr(args, name)
        return None if text is None else values.whole_number(f"--{name.replace('_', '-')}", text)

    def size(name: str) -> int | None:
        text = getattr(args, name)
        return None if text is None else values.byte_size(f"--{name.replace('_', '-')}", text)

    same = {field: getattr(args, field) for field, _, _ in _SWITCHES.values()}
    texts = ("target", "platform", "network", "cgroup_parent", "cpuset_cpus", "cpuset_mems", "isolation")
    lists = ("cache_to", "security_opt", "secret", "ssh")
    listed = {field if field != "secret" else "secrets": tuple(getattr(args, field)) for field in lists}
    return {
        **same,
        **{field: getattr(args, field) for field in texts},
        **listed,
        "tags": tuple(args.tag),
        "output": (*args.output, *(f"type={kind}" for kind, _ in _OUTPUTS.values() if getattr(args, kind))),
        "build_args": values.build_args(args.build_arg, os.environ),
        "labels": values.pairs("--label", args.label),
        "build_contexts": values.pairs("--build-context", args.build_context, need_value=True),
        "add_hosts": tuple(map(values.extra_host, args.add_host)),
        "ulimits": tuple(map(values.ulimit, args.ulimit)),
        "cache_from": values.listed(args.cache_from),
        "no_cache_filter": values.listed(args.no_cache_filter),
        "annotations": tuple(args.annotation),
        "attests": values.attests(args.attest, args.provenance, args.sbom),
        "allow": tuple(map(values.one_of("--allow", ("network.host", "security.insecure")), values.listed(args.allow))),
        "cpu_period": number("cpu_period"),
        "cpu_quota": number("cpu_quota"),
        "cpu_shares": number("cpu_shares"),
        "memory": size("memory"),
        "memory_swap": None if args.memory_swap is None else values.swap_size("--memory-swap", args.memory_swap),
        "shm_size": size("shm_size"),
    }


def read_options(words: Sequence[str]) -> dict[str, Any]:
    """`request_fields` of options that stand alone. Raises UsageError, naming the option."""
    parser = Parser(prog="workbench build")
    add_request_arguments(parser)
    return request_fields(parser.read(words))


def build_request(fields: dict[str, Any], source: Source | None) -> BuildRequest:
    """The request; without a source it can only be asked for its options."""
    if source is None:
        return BuildRequest(context=None, **fields)
    return BuildRequest(context=source.context, dockerfile=source.dockerfile, dockerfile_text=source.text, **fields)
