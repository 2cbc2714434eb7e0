"""--platform on the command line and on FROM: of images of the store, of a layout and of a registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from builds import Builder
from fake_registry import Fake, digest_of, fake_registry
from store_tools import config_of, make_tar, put_layer

from workbench.build.platforms import Platform, here, parse_platform, runs_here
from workbench.engines.embedded.catalog import machine
from workbench.errors import Unsupported, UsageError

FOREIGN = "s390x" if machine() != "s390x" else "amd64"


@pytest.fixture
def fake() -> Iterator[Fake]:
    with fake_registry() as fake:
        yield fake


def index(fake: Fake) -> None:
    """`a/x:all` for this machine and for another one, each with its own file."""
    entries = []
    for name in (FOREIGN, machine()):
        fake.image(name.encode(), tag=name, architecture=name)
        digest = digest_of(fake.manifests[name][1])
        entries.append({"digest": digest, "size": 1, "platform": {"os": "linux", "architecture": name}})
    fake.manifest({"schemaVersion": 2, "manifests": entries}, "all")


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/arm64", Platform("linux", "arm64")),
        ("linux/arm64/v8", Platform("linux", "arm64")),
        ("arm64", Platform("linux", "arm64")),
        ("aarch64", Platform("linux", "arm64")),
        ("linux/arm", Platform("linux", "arm", "v7")),
        ("armel", Platform("linux", "arm", "v6")),
        ("Linux/x86_64", Platform("linux", "amd64")),
        ("windows/amd64", Platform("windows", "amd64")),
        ("linux", here()),
    ],
)
def test_platforms_are_read_as_containerd_reads_them(text: str, platform: Platform) -> None:
    assert parse_platform(text) == platform


@pytest.mark.parametrize("text", ["", "a/b/c/d", "linux//v8", "li nux/arm"])
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(UsageError, match="is no platform"):
        parse_platform(text)


def test_an_interpreter_of_the_kernel_counts(tmp_path: Path) -> None:
    assert runs_here(here(), tmp_path) and not runs_here(Platform("linux", FOREIGN), tmp_path)
    name = {"amd64": "x86_64"}.get(FOREIGN, FOREIGN)
    (tmp_path / f"qemu-{name}").write_text("enabled\ninterpreter /usr/bin/qemu\n")
    assert runs_here(Platform("linux", FOREIGN), tmp_path) and not runs_here(Platform("linux", "mips"), tmp_path)


async def test_of_a_registry_and_again_without_it(scratch_build: Builder, fake: Fake) -> None:
    index(fake)
    text = f"FROM {fake.host}/a/x:all\nARG TARGETPLATFORM BUILDARCH\nLABEL for=$TARGETPLATFORM on=$BUILDARCH\n"
    built = await scratch_build(text, platform=f"linux/{FOREIGN}")
    assert built.config["architecture"] == FOREIGN
    assert built.config["config"]["Labels"] == {"for": f"linux/{FOREIGN}", "on": machine()}
    assert (await scratch_build(text)).config["architecture"] == machine(), "what is foreign got no tag"
    asked = len(fake.asked)
    again = await scratch_build(text, platform=f"linux/{FOREIGN}")
    assert again.image == built.image and len(fake.asked) == asked, "a build whose bases are here speaks with nobody"


async def test_on_from_alone(scratch_build: Builder, fake: Fake) -> None:
    index(fake)
    text = (
        f"FROM --platform=$BUILDPLATFORM {fake.host}/a/x:all AS tool\nCOPY Dockerfile /x\n"
        f"FROM {fake.host}/a/x:all\nCOPY --from=tool /x /x\n"
        f"FROM --platform=linux/{FOREIGN} scratch AS other\nLABEL a=b\n"
    )
    built = await scratch_build(text, target="1", platform=f"linux/{FOREIGN}")
    assert built.config["architecture"] == FOREIGN and "x" in built.layer()
    assert (await scratch_build(text, target="other")).config["architecture"] == FOREIGN


async def test_of_a_layout_and_of_the_store(scratch_build: Builder) -> None:
    store = scratch_build.store.open()
    layer = put_layer(store, make_tar(("f", b"x")))
    store.put_image({**config_of(layer), "architecture": FOREIGN}, [layer], tags=("foreign",))
    text = "FROM foreign\nLABEL a=b\n"
    assert (await scratch_build(text, platform=f"linux/{FOREIGN}")).config["architecture"] == FOREIGN
    text = f"FROM oci:{store.root}:latest\nLABEL a=b\n"
    assert (await scratch_build(text, platform=f"linux/{FOREIGN}")).config["architecture"] == FOREIGN
    built = await scratch_build(text, platform=f"linux/{machine()}")
    assert f"is an image for linux/{FOREIGN}, not for linux/{machine()}" in built.end.error


async def test_foreign_programs_are_refused_by_name(scratch_build: Builder) -> None:
    for text, options in (
        ("FROM scratch\nRUN true\n", {"platform": f"linux/{FOREIGN}"}),
        (f"FROM --platform=linux/{FOREIGN} scratch AS one\nCOPY . /\nFROM one\nRUN true\n", {}),
    ):
        with pytest.raises(Unsupported, match=f"RUN for linux/{FOREIGN}") as caught:
            await scratch_build(text, **options)
        assert "qemu-user-static" in caught.value.hint
    store = scratch_build.store.open()
    layer = put_layer(store, make_tar(("f", b"x")))
    store.put_image({**config_of(layer), "architecture": FOREIGN}, [layer], tags=("foreign",))
    built = await scratch_build("FROM foreign\nRUN true\n")
    assert (built.end.outcome, built.end.line) == ("failed", 2)
    assert f"RUN for linux/{FOREIGN}: this machine" in built.end.error


@pytest.mark.parametrize(
    ("text", "options", "error"),
    [
        ("FROM scratch\n", {"platform": "linux/amd64,linux/arm64"}, "several at once"),
        ("FROM scratch\n", {"platform": "windows/amd64"}, "--platform windows/amd64"),
        ("FROM --platform=windows/amd64 scratch\n", {}, r"FROM --platform=windows/amd64 \(line 1\)"),
    ],
)
async def test_what_it_does_not_build_for_is_refused_by_name(
    scratch_build: Builder, text: str, options: dict[str, str], error: str
) -> None:
    with pytest.raises(Unsupported, match=error):
        await scratch_build(f"{text}LABEL a=b\n", **options)
