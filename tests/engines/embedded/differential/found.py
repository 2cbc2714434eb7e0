"""Every difference that was found once, cut down: what Docker makes of each is in `golden.json`."""

from __future__ import annotations

from differential.case import Case, Member, Node

_FROM = "FROM differential-base"
_DIR = Node("d", "directory")
_FILE = Node("a")

FOUND = {
    # RUN: the user's own group is among its groups (Docker 20.10.18), and digits are never a user's name.
    "groups of root": Case((_FROM, "RUN id > /id")),
    "groups of a name": Case((_FROM, "USER app", "RUN id > /tmp/id")),
    "groups of a name and a group": Case((_FROM, "USER app:staff", "RUN id > /tmp/id")),
    "groups of a number": Case((_FROM, "USER 5:6", "RUN id > /tmp/id")),
    "a number that is a user's name": Case((_FROM, "USER 77", "RUN id > /tmp/id")),
    # RUN: a shell's working folder is the real one.
    "a working folder through a link": Case((_FROM, "WORKDIR /lnk/sub", "RUN pwd > /pwd; echo $PWD >> /pwd")),
    # Words that become nothing.
    "WORKDIR of nothing": Case((_FROM, "WORKDIR ${X}")),
    "VOLUME of nothing": Case((_FROM, "VOLUME $WD")),
    "chown to a group without a name": Case((_FROM, "COPY --chown=app: a /x/"), (_FILE,)),
    "chown to a user without a name": Case((_FROM, "COPY --chown=:5 a /x/"), (_FILE,)),
    "chown in three parts": Case((_FROM, "COPY --chown=1:2:3 a /x/"), (_FILE,)),
    # Any number but 0 is a signal.
    "signal 65": Case((_FROM, "STOPSIGNAL 65")),
    "signal +9": Case((_FROM, "STOPSIGNAL +9")),
    "signal 0": Case((_FROM, "STOPSIGNAL 0")),
    # Patterns.
    "a pattern that meets a link to nothing": Case((_FROM, "COPY z* d /x/"), (Node("z", "symlink", "no"), _DIR)),
    "a pattern that cannot be read": Case((_FROM, 'COPY ["a","[","/"]'), (_FILE,)),
    "a pattern with a slash at its end": Case((_FROM, "COPY a* d*/ /x/"), (_FILE, _DIR)),
    "a pattern that is not clean": Case((_FROM, "COPY a* x/../d* /x/"), (_FILE, _DIR)),
    "a source above the context behind a slash": Case((_FROM, "COPY /.. x")),
    # Archives.
    "a folder in an archive that a file replaces": Case(
        (_FROM, "ADD t.tar /"), (Node("t.tar", "tar", members=(Member("t/s", "5"), Member("t"))),)
    ),
    "a file in an archive in the place of a folder": Case(
        (_FROM, "ADD t.tar /"), (Node("t.tar", "tar", members=(Member("t", "5"), Member("t", mtime=5))),)
    ),
    "a hard link in an archive in the place of its target": Case(
        (_FROM, "ADD t.tar /x"), (Node("t.tar", "tar", members=(Member("t/b"), Member("t", "1", link="t/b"))),)
    ),
    "a whiteout's device in an archive": Case(
        (_FROM, "ADD t.tar /"), (Node("t.tar", "tar", members=(Member("f", "3", link="0:0"),)),)
    ),
    "a device in an archive": Case(
        (_FROM, "ADD t.tar /"), (Node("t.tar", "tar", members=(Member("f", "3", link="1:3"),)),)
    ),
    "a hard link in an archive with attributes of its own": Case(
        (_FROM, "ADD t.tar /new"),
        (Node("t.tar", "tar", members=(Member("a"), Member("d", "1", mode=0o4711, owner=(5, 6), link="a"))),),
    ),
    "a hard link in an archive to a file of the image": Case(
        (_FROM, "ADD t.tar /"), (Node("t.tar", "tar", members=(Member("x", "1", mode=0o600, link="d/f"),)),)
    ),
    "a hard link in an archive to a file of the image that has other names": Case(
        (_FROM, "ADD t.tar /"), (Node("t.tar", "tar", members=(Member("x", "1", mode=0o600, link="h1"),)),)
    ),
    # A folder that is copied into is in the layer, the root is not.
    "an empty folder into a folder": Case((_FROM, "COPY d /d/", "COPY d /d/sub/deep"), (_DIR,)),
    "an empty folder into the root": Case((_FROM, "COPY d /"), (_DIR,)),
    # The container of every step makes the working folder, and has no volume over a file.
    "a working folder that went away": Case((_FROM, "RUN rm -rf /wd", "LABEL a=b", "ENV c=d")),
    "a working folder that became a file": Case((_FROM, "COPY wd /", "LABEL a=b"), (Node("wd"),)),
    "a volume over a file": Case((_FROM, "VOLUME /f")),
    "a file where a volume is": Case((_FROM, "VOLUME x", "COPY a /x", "LABEL a=b"), (_FILE,)),
    "a RUN with a file where a volume is": Case((_FROM, "VOLUME x", "COPY a /x", "RUN true"), (_FILE,)),
    # Folders made on the way inherit the set-group-ID bit, and where no owner is set the group.
    "a folder below one with set-group-ID": Case((_FROM, "COPY --from=differential-base /o/p /d/sub/k/l/")),
    "a file below one with set-group-ID": Case((_FROM, "COPY --from=differential-base /f /d/sub/k/l/")),
    "an archive below one with set-group-ID": Case(
        (_FROM, "ADD t.tar /d/sub"), (Node("t.tar", "tar", members=(Member("t/a", "2", link="/t"),)),)
    ),
}
