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
    # RUN: a volume is a mount of its own: it is not removed, renamed or linked from.
    "a RUN that removes a volume's folder": Case((_FROM, "VOLUME /new", "RUN rm -rf /new; echo $? > /rc")),
    "a RUN that removes a volume over a folder": Case((_FROM, "VOLUME /d/sub", "RUN rm -rf /d/sub; echo $? > /rc")),
    "a RUN that removes the folder above a volume": Case((_FROM, "VOLUME /d/sub", "RUN rm -rf /d; echo $? > /rc")),
    "a RUN that renames a volume's folder": Case((_FROM, "VOLUME /d/sub", "RUN mv /d/sub /x; echo $? > /rc; ls /x")),
    "a RUN that links out of a volume": Case((_FROM, "VOLUME /d/sub", "RUN ln /d/sub/x /x; echo $? > /rc")),
    "a RUN that removes a volume in a volume": Case((_FROM, "VOLUME /d /d/sub", "RUN rm -rf /d/sub; echo $? > /rc")),
    # RUN: only a shell sets PWD, and a variable of that name is the image's.
    "an environment without a shell": Case((_FROM, "WORKDIR /lnk/sub", 'RUN ["/bin/sh", "-c", "env | grep PWD > /e"]')),
    "a working folder's variable": Case((_FROM, "ENV PWD=/e", 'RUN ["/bin/env"]', "RUN echo $PWD > /p")),
    "an environment as the kernel has it": Case(
        (_FROM, "WORKDIR /lnk/sub", "ENV HOSTNAME=h", 'RUN ["/bin/cp", "/proc/self/environ", "/e"]')
    ),
    # Links that have several names.
    "hard links between links": Case((_FROM, "RUN mkdir /q && ln -s f /q/b && ln /q/b /q/c && ln /q/c /a0")),
    "hard links between links of the context": Case(
        (_FROM, "COPY k /x/"), (Node("k/b", "symlink", "a"), Node("k/c", "hardlink", "k/b"))
    ),
    "hard links between links of an archive": Case(
        (_FROM, "ADD t.tar /x"),
        (Node("t.tar", "tar", members=(Member("b", "2", link="f"), Member("c", "1", link="b"))),),
    ),
    "hard links between links of a stage": Case(
        (f"{_FROM} AS s", "RUN mkdir /q && ln -s f /q/b && ln /q/b /q/c", _FROM, "COPY --from=s /q /q2")
    ),
    # Folders made on the way inherit the set-group-ID bit, and where no owner is set the group.
    "a folder below one with set-group-ID": Case((_FROM, "COPY --from=differential-base /o/p /d/sub/k/l/")),
    "a file below one with set-group-ID": Case((_FROM, "COPY --from=differential-base /f /d/sub/k/l/")),
    "an archive below one with set-group-ID": Case(
        (_FROM, "ADD t.tar /d/sub"), (Node("t.tar", "tar", members=(Member("t/a", "2", link="/t"),)),)
    ),
}
