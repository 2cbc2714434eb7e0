"""The words of help: one paragraph for each instruction, flag, directive and kind of mount, in our own words.

The facts are those of the Dockerfile reference and of BuildKit's frontend.
"""

from __future__ import annotations

from collections.abc import Mapping

INSTRUCTIONS: Mapping[str, tuple[str, str]] = {
    "add": (
        "ADD [--chown --chmod --link --checksum --keep-git-dir --unpack --exclude] SOURCE... DESTINATION",
        "Puts files of the context, downloads and git repositories into the image. A local archive (tar, also gzip,"
        " bzip2, xz, zstd) is unpacked; a download is not. For plain files COPY says more clearly what happens.",
    ),
    "arg": (
        "ARG NAME[=DEFAULT]...",
        "A variable for the build alone, set by --build-arg. It lives from its line to the end of its stage; one before"
        " the first FROM is for FROM lines only, until a stage names it again. It is no place for secrets: the image's"
        " history shows it.",
    ),
    "cmd": (
        'CMD ["program", "argument"...]   or   CMD command   or   CMD ["argument"...] for ENTRYPOINT',
        "What a container runs when it is given no command; behind an ENTRYPOINT in exec form, its default arguments."
        " Only the last CMD counts. The exec form runs the program itself, so that it gets the signals; the other form"
        " runs a shell around it.",
    ),
    "copy": (
        "COPY [--from --chown --chmod --link --parents --exclude] SOURCE... DESTINATION",
        "Puts files of the context, or with --from of a stage or an image, into the image. Sources may have globs; of a"
        " folder its contents are copied, not the folder. With several sources the destination ends in /. What the"
        " ignore file leaves out cannot be copied.",
    ),
    "entrypoint": (
        'ENTRYPOINT ["program", "argument"...]   or   ENTRYPOINT command',
        "The program that a container is. In exec form CMD, or what is written behind the image's name, becomes its"
        " arguments; in shell form they are ignored, and signals reach the shell instead. Setting it takes away the CMD"
        " that the base image had.",
    ),
    "env": (
        "ENV NAME=VALUE...",
        "Variables for the following instructions and for the containers of the image. All values of one line see the"
        " environment before it. What only the build needs is better an ARG.",
    ),
    "expose": (
        "EXPOSE PORT[/tcp|/udp]...",
        "Says which ports a container listens on. It publishes nothing: that does `docker run -p`, or -P for all that"
        " are exposed.",
    ),
    "from": (
        "FROM [--platform=OS/ARCH] IMAGE[:TAG|@DIGEST] [AS NAME]",
        "Begins a stage, on an image, on an earlier stage, or on scratch, which is empty. A name lets later stages copy"
        " from it and --target end there. Only the ARGs above the first FROM count in it.",
    ),
    "healthcheck": (
        "HEALTHCHECK [--interval --timeout --start-period --start-interval --retries] CMD command   or   NONE",
        "How to see that a container still works: exit code 0 is healthy, 1 is not. Only the last one counts; NONE"
        " switches off what the base image has.",
    ),
    "label": (
        "LABEL NAME=VALUE...",
        "Facts about the image, for people and programs: who made it, from which source. Well-known names begin with"
        " org.opencontainers.image.",
    ),
    "maintainer": (
        "MAINTAINER NAME",
        "The author of the image, in the old way. LABEL org.opencontainers.image.authors=... has taken its place.",
    ),
    "onbuild": (
        "ONBUILD INSTRUCTION",
        "An instruction for later: it runs when another build stands on this image, right behind its FROM. It may not"
        " be FROM, MAINTAINER or another ONBUILD.",
    ),
    "run": (
        'RUN [--mount --network --security --device] command   or   RUN ["program", "argument"...]   or   RUN <<EOF',
        "Runs a command on the image so far, and keeps what it changed as a layer. The result is reused until the text"
        " or anything above it changes: what the command fetches is not looked at. Each RUN starts anew: a `cd` or a"
        " variable of the shell ends with it.",
    ),
    "shell": (
        'SHELL ["program", "argument"...]',
        'What runs the commands in shell form from here on; the default is ["/bin/sh", "-c"]. For pipes that fail as'
        ' their parts do: SHELL ["/bin/bash", "-o", "pipefail", "-c"].',
    ),
    "stopsignal": (
        "STOPSIGNAL SIGNAL",
        "The signal that asks a container to end, by name or number; SIGTERM is the default.",
    ),
    "user": (
        "USER NAME|UID[:GROUP|GID]",
        "Who runs the following RUNs, and the containers of the image. With a group given, that is the only one. COPY"
        " and ADD go on writing as root: they have --chown.",
    ),
    "volume": (
        "VOLUME PATH...",
        "Places that get a volume in every container. With the classic builder, what later instructions change there is"
        " lost.",
    ),
    "workdir": (
        "WORKDIR PATH",
        "The working directory of the following instructions and of the containers; it is made where it is missing. A"
        " relative path goes on from the one before.",
    ),
}
"""By name in lower case: how it is written, and what it does."""

FLAGS: Mapping[tuple[str, str], str] = {
    ("from", "platform"): "Which variant of an image for several platforms to take, like linux/arm64.",
    ("copy", "from"): "Copies from a stage (by name or number), an image or a named context instead of the context.",
    ("copy", "parents"): "Keeps the folders of each source: a/b/c arrives as DESTINATION/a/b/c. A /./ in the source"
    " says where that begins.",
    ("copy", "exclude"): "A pattern, as in an ignore file, of what is not copied; may be given several times.",
    ("copy", "chown"): "Who owns what arrives, user:group by name or number; root without it.",
    ("copy", "chmod"): "The mode of what arrives, as 0644 or u=rwX,go=rX.",
    ("copy", "link"): "A layer of its own that does not look at what is below: it is reused although the base changed."
    " Links on the way to the destination are not followed.",
    ("add", "checksum"): "What a download has to be: sha256:DIGEST, or the commit of a git repository.",
    ("add", "keep-git-dir"): "Keeps the .git folder of a git repository.",
    ("add", "unpack"): "Whether archives are unpacked, downloads too; by default local ones alone.",
    ("run", "mount"): "Something that is there while the command runs, and is no part of the layer: type=bind, cache,"
    " tmpfs, secret or ssh.",
    ("run", "network"): "default, none for no network, or host, which has to be allowed by --allow network.host.",
    ("run", "security"): "insecure runs it with all privileges; the build has to be given --allow security.insecure.",
    ("run", "device"): "A device (CDI) that the command may use.",
    ("healthcheck", "interval"): "Time between two checks, 30s by default.",
    ("healthcheck", "timeout"): "A check that takes longer has failed, 30s by default.",
    ("healthcheck", "start-period"): "Time for the container to start in; failures then do not count. 0s by default.",
    ("healthcheck", "start-interval"): "Time between checks during the start period, 5s by default (Docker 25).",
    ("healthcheck", "retries"): "So many failures in a row make it unhealthy, 3 by default.",
}
"""By instruction and name of the flag. ADD has those of COPY that it shares."""

MOUNTS: Mapping[str, str] = {
    "bind": "Files of the context, or of from=STAGE, at target=. Read only, unless rw, and what is written is lost.",
    "cache": "A folder that outlives the build at target=, for package managers and compilers: id=, sharing=shared,"
    " private or locked, from=, mode=, uid=, gid=.",
    "tmpfs": "A folder in memory at target=; size= bounds it.",
    "secret": "A secret of the build (--secret id=...) as a file, by default /run/secrets/ID, or as a variable by env=;"
    " required makes its lack an error.",
    "ssh": "The agent of the build (--ssh) in SSH_AUTH_SOCK, so that the command can use keys that it never sees.",
}
"""By type."""

DIRECTIVES: Mapping[str, str] = {
    "syntax": "The frontend that reads this file, like docker/dockerfile:1. It stands on the first lines, above"
    " all else. The classic builder ignores it.",
    "escape": "The character that goes on over a line's end, \\ or `. The latter is for paths of Windows.",
    "check": "Which checks to leave out (skip=NAME,NAME or all), to make errors (error=true), or to try"
    " (experimental=NAME).",
}
"""By name."""
