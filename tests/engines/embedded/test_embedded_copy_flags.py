"""What BuildKit added to COPY: --parents, --exclude, --link, symbolic --chmod, documents; and the folder contexts
that `--build-context` names."""

from __future__ import annotations

import stat

import pytest
from builds import Builder, Result

from workbench.errors import DockerfileError, InputError, Unsupported

TREE = {"a/b/c.txt": "c", "a/b/d.md": "d", "a/e.txt": "e", "top.txt": "t"}


def names(built: Result, number: int = -1) -> list[str]:
    return sorted(built.layer(number))


async def test_parents_keep_the_folders_above(scratch_build: Builder) -> None:
    built = await scratch_build("FROM scratch\nCOPY --parents a/b/c.txt top.txt /to/\n", TREE)
    assert names(built) == ["to", "to/a", "to/a/b", "to/a/b/c.txt", "to/top.txt"]


async def test_a_pivot_says_which_parents_count(scratch_build: Builder) -> None:
    built = await scratch_build("FROM scratch\nCOPY --parents ./a/./b/*.txt /to/\n", TREE)
    assert names(built) == ["to", "to/b", "to/b/c.txt"]


async def test_two_stars_match_folders_at_any_depth_and_a_folder_brings_all_of_it(scratch_build: Builder) -> None:
    built = await scratch_build("FROM scratch\nCOPY --parents **/*.txt /\n", TREE)
    assert names(built) == ["a", "a/b", "a/b/c.txt", "a/e.txt", "top.txt"]
    built = await scratch_build("FROM scratch\nCOPY --parents a/b /to/\n", TREE)
    assert names(built) == ["to", "to/a", "to/a/b", "to/a/b/c.txt", "to/a/b/d.md"]


async def test_parents_have_the_mode_of_the_source_and_the_owner_that_is_asked_for(scratch_build: Builder) -> None:
    scratch_build.put(TREE)
    (scratch_build.context / "a").chmod(0o700)
    built = await scratch_build("FROM scratch\nCOPY --parents --chown=7:8 a/e.txt /to/\n")
    parent = built.layer()["to/a"]
    assert (parent.mode, parent.uid, parent.gid) == (0o700, 7, 8)


async def test_parents_of_what_is_not_there_fail_by_name(scratch_build: Builder) -> None:
    built = await scratch_build("FROM scratch\nCOPY --parents a/none.txt /to/\n", TREE)
    assert built.end.outcome == "failed" and "a/none.txt" in built.end.error


async def test_parents_out_of_a_stage(scratch_build: Builder) -> None:
    text = "FROM scratch AS one\nCOPY . /in/\nFROM scratch\nCOPY --from=one --parents /in/./a/*.txt /to/\n"
    assert names(await scratch_build(text, TREE)) == ["to", "to/a", "to/a/e.txt"]


async def test_exclude_leaves_out_what_it_matches_with_exceptions(scratch_build: Builder) -> None:
    built = await scratch_build("FROM scratch\nCOPY --exclude=**/*.txt --exclude=!top.txt . /\n", TREE)
    assert set(names(built)) >= {"a/b/d.md", "top.txt"}
    assert not {"a/e.txt", "a/b/c.txt"} & set(names(built))
    built = await scratch_build("FROM scratch\nADD --exclude=*.txt top* Dockerfile /\n", TREE)
    assert names(built) == ["Dockerfile"]


async def test_exclude_and_parents_together(scratch_build: Builder) -> None:
    built = await scratch_build("FROM scratch\nCOPY --parents --exclude=**/*.md a /\n", TREE)
    assert names(built) == ["a", "a/b", "a/b/c.txt", "a/e.txt"]


@pytest.mark.parametrize(
    ("chmod", "file", "program", "folder"),
    [
        ("u=rwX,go=rX", 0o644, 0o755, 0o755),
        ("go-rwx", 0o600, 0o700, 0o700),
        ("+x", 0o755, 0o755, 0o755),
        ("0751", 0o751, 0o751, 0o751),
    ],
)
async def test_a_mode_is_octal_or_symbolic(
    scratch_build: Builder, chmod: str, file: int, program: int, folder: int
) -> None:
    scratch_build.put({"d/f": "1", "d/p": "2", "d/s/x": ""})
    for path, mode in (("f", 0o644), ("p", 0o755), ("s", 0o755)):
        (scratch_build.context / "d" / path).chmod(mode)
    layer = (await scratch_build(f"FROM scratch\nCOPY --chmod={chmod} d /d/\n")).layer()
    assert [stat.S_IMODE(layer[name].mode) for name in ("d/f", "d/p", "d/s")] == [file, program, folder]


async def test_a_mode_that_is_none_is_refused_before_the_first_step(scratch_build: Builder) -> None:
    with pytest.raises(DockerfileError, match="Dockerfile:2:6: invalid chmod parameter: '888'") as caught:
        await scratch_build("FROM scratch\nCOPY --chmod=888 a /\n", TREE)
    assert caught.value.exit_code == 2
    built = await scratch_build("FROM scratch\nARG M=u=q\nCOPY --chmod=$M a /\n", TREE)
    assert "invalid chmod parameter" in built.end.error, "what a variable says is known at its step"


async def test_a_linked_copy_makes_folders_where_the_image_has_a_link(scratch_build: Builder) -> None:
    base = "FROM scratch\nCOPY real /real\nCOPY link /\n"
    scratch_build.put({"real/x": "1", "new": "2"})
    (scratch_build.context / "link").mkdir()
    (scratch_build.context / "link" / "app").symlink_to("/real")
    built = await scratch_build(base + "COPY new /app/\n")
    assert names(built) == ["real", "real/new"]
    built = await scratch_build(base + "COPY --link new /app/\n")
    assert names(built) == ["app", "app/new"]
    assert built.layer()["app"].isdir()


async def test_a_linked_copy_is_reused_on_another_base(scratch_build: Builder) -> None:
    text = "FROM scratch\nCOPY top.txt /first\nCOPY --link a /app/\n"
    first = await scratch_build(text, TREE)
    second = await scratch_build(text, {"top.txt": "changed"})
    assert second.cached[1:] == [False, True]
    assert first.diff_ids()[1] == second.diff_ids()[1]


DOCUMENTS = """\
FROM scratch
ARG who=me
COPY <<plain <<"quoted" /d/
hello $who
plain
raw $who
quoted
COPY <<-tabs /t
\tindented\t$who
tabs
ADD --chmod=700 --chown=5 <<x /x
#!
x
"""


async def test_documents_are_sources(scratch_build: Builder) -> None:
    built = await scratch_build(DOCUMENTS)
    view = scratch_build.engine._files.view(  # the content, not only the sizes
        built.store.image(built.image).layers, scratch_build.context
    )
    found = {path: view.read_text(path) for path in ("d/plain", "d/quoted", "t")}
    assert found == {"d/plain": "hello me\n", "d/quoted": "raw $who\n", "t": "indented\tme\n"}
    last = built.layer()["x"]
    assert (last.mode, last.uid, last.gid) == (0o700, 5, 5)


async def test_folders_by_name(scratch_build: Builder) -> None:
    other = scratch_build.context.parent / "other"
    (other / "sub").mkdir(parents=True)
    (other / "f").write_text("f")
    (other / "sub" / "left.out").write_text("")
    (other / ".dockerignore").write_text("**/*.out\n")
    text = "FROM scratch\nCOPY --from=other . /\n"
    built = await scratch_build(text, build_contexts={"other": str(other)})
    assert names(built) == [".dockerignore", "f", "sub"]
    assert (await scratch_build(text, build_contexts={"other": str(other)})).cached[-1]
    (other / "f").write_text("changed")
    assert not (await scratch_build(text, build_contexts={"other": str(other)})).cached[-1]


async def test_a_named_context_stands_in_for_a_stage_and_for_an_image(scratch_build: Builder) -> None:
    other = scratch_build.context.parent / "other"
    other.mkdir()
    (other / "f").write_text("f")
    text = "FROM nowhere/image AS one\nFROM scratch\nCOPY --from=one /f /\n"
    assert names(await scratch_build(text, build_contexts={"one": str(other)})) == ["f"]
    await scratch_build("FROM scratch\nLABEL it=me\n", tags=("mine",))
    built = await scratch_build("FROM busybox:latest\nLABEL x=y\n", build_contexts={"busybox": "docker-image://mine"})
    assert built.config["config"]["Labels"] == {"it": "me", "x": "y"}
    built = await scratch_build("FROM base\nLABEL x=y\n", build_contexts={"base": str(other)})
    assert names(built) == ["f"]


async def test_a_layout_by_name(scratch_build: Builder) -> None:
    await scratch_build("FROM scratch\nCOPY top.txt /\n", TREE, tags=("mine:1",))
    layout = f"oci-layout://{scratch_build.store.root}"
    for place in (f"{layout}:1", f"{layout}:mine:1"):
        built = await scratch_build("FROM base\nLABEL x=y\n", build_contexts={"base": place})
        assert names(built) == ["top.txt"]


@pytest.mark.parametrize(
    ("place", "error"), [("/no/such/folder", InputError), ("target:x", Unsupported), ("ftp://h/x", Unsupported)]
)
async def test_a_context_that_is_none_is_refused_before_the_first_step(
    scratch_build: Builder, place: str, error: type[Exception]
) -> None:
    with pytest.raises(error, match="--build-context x"):
        await scratch_build("FROM scratch\nLABEL a=b\n", build_contexts={"x": place})
