"""Nodes to instructions: every field, and every refusal."""

from __future__ import annotations

from typing import TypeVar

import pytest

from workbench.dockerfile import DockerfileError, Instruction, parse, parse_trigger
from workbench.dockerfile import instructions as kinds

Kind = TypeVar("Kind", bound=Instruction)


def read(text: str, kind: type[Kind]) -> Kind:
    instruction = parse("FROM scratch\n" + text).instructions[1]
    assert isinstance(instruction, kind)
    return instruction


def problem(text: str) -> DockerfileError:
    with pytest.raises(DockerfileError) as caught:
        parse("FROM scratch\n" + text)
    assert caught.value.line >= 2
    return caught.value


def test_from() -> None:
    base = parse("from --platform=linux/arm64 alpine:3 as Build\n").stages[0].base
    assert (base.image, base.platform, base.name) == ("alpine:3", "linux/arm64", "build")
    assert problem("FROM a b\n").message == "FROM requires either one or three arguments"
    assert problem("FROM a AS 1x\n").column == 11


def test_env_label_arg() -> None:
    assert read('ENV a=b c="d e" f=\n', kinds.Env).pairs == (("a", "b"), ("c", '"d e"'), ("f", ""))
    legacy = read("ENV name  a b c\n", kinds.Env)
    assert (legacy.pairs, legacy.legacy) == ((("name", "a b c"),), True)
    assert read("LABEL a.b=1\n", kinds.Label).pairs == (("a.b", "1"),)
    assert read("ARG a b=1 c=\n", kinds.Arg).pairs == (("a", None), ("b", "1"), ("c", ""))
    assert problem("ENV =x\n").message == "ENV names can not be blank"
    assert problem("ARG a =x\n").column == 7


def test_run_forms() -> None:
    run = read("RUN --network=none --mount=type=cache,target=/c echo hi\n", kinds.Run)
    assert (run.args, run.shell, run.network, run.argv, run.command) == (("echo hi",), True, "none", (), "echo hi")
    assert (run.mounts[0].type, run.mounts[0].target, run.mounts[0].read_only) == ("cache", "/c", False)
    run = read('RUN ["a", "b c"]\n', kinds.Run)
    assert (run.argv, run.shell, run.command) == (("a", "b c"), False, "")
    assert problem("RUN --network=x a\n").message == 'invalid network mode "x"'
    assert problem("RUN --security=x a\n").column == 5


def test_run_heredocs() -> None:
    run = read("RUN <<EOF\nset -e\nx\nEOF\n", kinds.Run)
    assert (run.command, run.script) == ("set -e\nx\n", None)
    run = read("RUN <<-EOF\n#!/bin/sh\n\tx\nEOF\n", kinds.Run)
    assert run.script is not None
    assert run.script.text == "#!/bin/sh\nx\n"
    assert read("RUN cat <<EOF > /x\nhi\nEOF\n", kinds.Run).command == "cat <<EOF > /x\nhi\nEOF"


def test_commands() -> None:
    assert read("CMD a b\n", kinds.Cmd).args == ("a b",)
    assert read("CMD\n", kinds.Cmd).args == ()
    entrypoint = read('ENTRYPOINT ["a"]\n', kinds.Entrypoint)
    assert (entrypoint.args, entrypoint.shell) == (("a",), False)
    assert read('SHELL ["a", "-c"]\n', kinds.Shell).args == ("a", "-c")
    assert "JSON form" in problem("SHELL a -c\n").message


def test_copy_and_add() -> None:
    copy = read("COPY --from=x --chown=1:2 --chmod=755 --link --parents --exclude=a --exclude=b s t /d/\n", kinds.Copy)
    assert (copy.sources, copy.destination, copy.from_, copy.chown) == (("s", "t"), "/d/", "x", "1:2")
    assert (copy.chmod, copy.link, copy.parents, copy.exclude) == ("755", True, True, ("a", "b"))
    assert read('COPY ["a b", "/c d"]\n', kinds.Copy).sources == ("a b",)
    add = read("ADD --keep-git-dir=false --checksum=sha256:x https://x/y /z\n", kinds.Add)
    assert (add.keep_git_dir, add.checksum, add.unpack) == (False, "sha256:x", None)
    documents = read("COPY a <<-x b /d/\n\thi\nx\n", kinds.Copy)
    assert (documents.sources, [it.text for it in documents.heredocs]) == (("a", "b"), ["hi\n"])
    assert problem("COPY a <<x\nx\n").message == "COPY cannot accept a heredoc as a destination"
    assert problem("COPY --link=maybe a b\n").message == "expecting boolean value for flag --link, not: maybe"
    assert problem("COPY --from a b\n").message == "missing a value on flag: --from"
    assert problem("COPY --from=a --from=b c d\n").message == "duplicate flag specified: --from"


def test_the_small_ones() -> None:
    assert read("WORKDIR /a b\n", kinds.Workdir).path == "/a b"
    assert read("USER a:b\n", kinds.User).user == "a:b"
    assert read("EXPOSE 90 80/tcp\n", kinds.Expose).ports == ("80/tcp", "90")
    assert read('VOLUME ["/a", " /b "]\n', kinds.Volume).paths == ("/a", "/b")
    assert read("STOPSIGNAL SIGINT\n", kinds.Stopsignal).signal == "SIGINT"
    assert read("MAINTAINER A <a@b>\n", kinds.Maintainer).name == "A <a@b>"
    assert problem('VOLUME [" "]\n').message == "VOLUME specified can not be an empty string"


def test_healthcheck() -> None:
    health = read("HEALTHCHECK --interval=1m30s --timeout=1.5s --retries=3 CMD curl x\n", kinds.Healthcheck)
    assert (health.interval, health.timeout, health.retries) == (90_000_000_000, 1_500_000_000, 3)
    assert health.test == ("CMD-SHELL", "curl x")
    assert read('HEALTHCHECK CMD ["a"]\n', kinds.Healthcheck).test == ("CMD", "a")
    assert read("HEALTHCHECK none\n", kinds.Healthcheck).test == ("NONE",)
    assert problem("HEALTHCHECK --interval=5 CMD a\n").message == 'time: missing unit in duration "5"'
    assert problem("HEALTHCHECK --interval=1us CMD a\n").column == 13
    assert "negative" in problem("HEALTHCHECK --retries=-1 CMD a\n").message
    assert "whole number" in problem("HEALTHCHECK --retries=x CMD a\n").message
    assert "(try CMD)" in problem("HEALTHCHECK FOO a\n").message
    assert "Missing command" in problem("HEALTHCHECK CMD\n").message


def test_onbuild() -> None:
    onbuild = read("onbuild  COPY <<x /d\nhi\nx\n", kinds.Onbuild)
    assert onbuild.trigger_text == "COPY <<x /d\nhi\nx"
    assert isinstance(onbuild.trigger, kinds.Copy)
    assert onbuild.trigger.heredocs[0].text == "hi\n"
    (again,) = parse_trigger(onbuild.trigger_text)
    assert isinstance(again, kinds.Copy)
    assert again.destination == "/d"
    error = problem("ONBUILD \\\n  COPY a\n")
    assert (error.line, error.column) == (3, 3)
    assert problem("ONBUILD CPOY a b\n").message == "unknown instruction: CPOY (did you mean COPY?)"


def test_text_and_places() -> None:
    run = read("RUN a \\\n  b  \n", kinds.Run)
    assert (run.text, run.keyword, run.line, run.end_line) == ("RUN a   b", "RUN", 2, 3)


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        ("type=bnd", 'unsupported mount type "bnd" (did you mean bind?)'),
        ("type=cache,targt=/x", "unexpected key 'targt' in 'targt=/x' (did you mean target?)"),
        ("type=secret", "invalid secret mount. one of source, target required"),
        ("type=secret,id=a,from=b", "secret mount should not have a from"),
        ("sharing=locked", "invalid cache sharing set for bind mount"),
        ("mode=0755", 'mode not allowed for "bind" type mounts'),
        ("type=tmpfs,size=x", "invalid value for size: x"),
        ("from=$x", "'from' doesn't support variable expansion, define alias stage instead"),
        ("type=cache,required", "unexpected key 'required' for mount type 'cache'"),
        ("nonsense", "invalid field 'nonsense' must be a key=value pair"),
        ("type=cache,ro=perhaps", "invalid value for ro: perhaps"),
    ],
)
def test_mount_refusals(mount: str, message: str) -> None:
    assert problem(f"RUN --mount={mount} x\n").message == message


def test_mounts() -> None:
    mounts = read(
        "RUN --mount=type=secret,id=a,required,mode=0400,uid=1 --mount=type=tmpfs,target=/t,size=64m "
        '--mount=from=b,src=/s,dst=/d,rw --mount=type=cache,\\"target=/a,b\\",sharing=locked x\n',
        kinds.Run,
    ).mounts
    assert (mounts[0].id, mounts[0].required, mounts[0].mode, mounts[0].uid) == ("a", True, 0o400, 1)
    assert (mounts[1].size, mounts[1].read_only) == (64 << 20, False)
    assert (mounts[2].from_, mounts[2].source, mounts[2].target, mounts[2].read_only) == ("b", "/s", "/d", False)
    assert (mounts[3].sharing, mounts[3].target) == ("locked", "/a,b")
