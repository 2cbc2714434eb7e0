"""What every engine's images can do beside building: the trash, sizes, users, transfers that tell and can be ended."""

from __future__ import annotations

import asyncio
import io
import tarfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from workbench.build.engine import Engine
from workbench.build.images import Image, ImageStore
from workbench.build.talk import Talk
from workbench.build.trash import Held, Trash, is_hidden, without_trash
from workbench.engines.docker.engine import DockerEngine
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.errors import ImageInUse, ImageNotFound, Unsupported


@dataclass
class Shelf:
    """An engine, and names that nobody else has."""

    engine: Engine
    folder: Path
    prefix: str = field(default_factory=lambda: f"shelf-{uuid.uuid4().hex[:8]}")

    @property
    def images(self) -> ImageStore:
        return self.engine.images

    def name(self, short: str) -> str:
        return f"{self.prefix}/{short}"

    async def make(self, short: str, size: int = 1000) -> str:
        """An image of one file of random bytes; its ID."""
        tar = self.folder / f"{uuid.uuid4().hex}.tar"
        with tarfile.open(tar, "w") as out:
            entry = tarfile.TarInfo("file")
            entry.size = size
            out.addfile(entry, io.BytesIO(uuid.uuid4().bytes * (size // 16 + 1)))
        return await self.images.import_(tar, tag=self.name(short))

    async def own(self) -> Sequence[Image]:
        return [it for it in await self.images.list() if any(self.prefix in tag for tag in it.tags)]

    async def names(self) -> set[str]:
        return {tag for it in without_trash(await self.own()) for tag in it.tags}

    async def held(self, trash: Trash) -> list[Held]:
        return [it for it in await trash.held() if self.prefix in it.name]


@pytest_asyncio.fixture(params=["embedded", pytest.param("docker", marks=pytest.mark.slow)])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    if request.param == "embedded":
        engine: Engine = EmbeddedEngine(tmp_path / "store")
    else:
        engine = DockerEngine(request.getfixturevalue("docker_host"))
    shelf = Shelf(engine, tmp_path)
    yield shelf
    for image in await shelf.own():
        await engine.images.remove([*image.tags], force=True)
    await engine.close()


async def test_what_is_deleted_can_be_taken_back(shelf: Shelf) -> None:
    identifier = await shelf.make("a")
    await shelf.images.tag(identifier, shelf.name("b:2"))
    await shelf.images.tag(identifier, "localhost:5000/" + shelf.name("c:3"))
    trash = Trash(shelf.images)
    names = await shelf.names()

    one = await trash.put([shelf.name("b:2")])
    assert (one.untagged, one.deleted) == ((shelf.name("b:2"),), ())
    assert await shelf.names() == names - {shelf.name("b:2")}
    rest = await trash.put([identifier])
    assert set(rest.untagged) == names - {shelf.name("b:2")}
    assert rest.deleted == (identifier,) and rest.bytes_freed > 0
    assert await shelf.names() == set()
    assert {it.name for it in await shelf.held(trash)} == names
    assert len(await trash.last()) == 2

    await trash.restore(await trash.last())
    assert await shelf.names() == names - {shelf.name("b:2")}
    await trash.restore(await shelf.held(trash))
    assert await shelf.names() == names
    assert [it.id for it in await shelf.own()] == [identifier]
    assert not [tag for it in await shelf.own() for tag in it.tags if is_hidden(tag)]


async def test_a_name_that_was_taken_meanwhile_is_left_to_who_has_it(shelf: Shelf) -> None:
    old = await shelf.make("a")
    trash = Trash(shelf.images)
    await trash.put([shelf.name("a")])
    new = await shelf.make("a")
    (restored,) = await trash.restore(await shelf.held(trash))
    assert restored.name == f"{shelf.name('a')}:restored-{old[7:19]}"
    assert (await shelf.images.inspect(shelf.name("a")))["Id"] == new
    assert (await shelf.images.inspect(restored.name))["Id"] == old


async def test_the_trash_is_emptied_by_age_and_by_size(shelf: Shelf) -> None:
    ids = [await shelf.make(f"n{number}", 200_000) for number in range(3)]
    now = time.time()
    trash = Trash(shelf.images, seconds=60)
    for number in range(3):
        await trash.put([shelf.name(f"n{number}")], now=now + number)
    await trash.expire(now=now + 59)
    assert len(await shelf.held(trash)) == 3
    mine = await shelf.held(trash)
    small = Trash(shelf.images, seconds=60, most=450_000)
    assert [it.name for it in await small._beyond(mine)] == [shelf.name("n0:latest")]
    removal = await trash.expire(now=now + 60.5)
    assert ids[0] in removal.deleted and removal.bytes_freed >= 200_000
    assert [it.image.id for it in await shelf.held(trash)] == [ids[2], ids[1]]
    emptied = await trash.empty(await shelf.held(trash))
    assert set(emptied.deleted) == {ids[1], ids[2]} and set(emptied.untagged) == {
        shelf.name("n1:latest"), shelf.name("n2:latest"),
    }  # fmt: skip
    with pytest.raises(ImageNotFound):
        await shelf.images.inspect(ids[1])


async def test_a_kill_in_between_loses_nothing(shelf: Shelf) -> None:
    """Between the hidden name and the taking away of the old one, and again on the way back."""
    identifier = await shelf.make("a")

    class Killed(BaseException):
        pass

    class Dying:
        def __getattr__(self, name: str) -> object:
            return getattr(shelf.images, name)

        async def remove(self, references: Sequence[str], *, force: bool = False) -> object:
            raise Killed

    with pytest.raises(Killed):
        await Trash(Dying()).put([shelf.name("a")])  # type: ignore[arg-type]
    assert await shelf.names() == {f"{shelf.name('a')}:latest"}
    trash = Trash(shelf.images)
    await trash.put([shelf.name("a")])
    held = await shelf.held(trash)
    assert {it.image.id for it in held} == {identifier} and await shelf.names() == set()
    with pytest.raises(Killed):
        await Trash(Dying()).restore(held[:1])  # type: ignore[arg-type]
    assert await shelf.names() == {f"{shelf.name('a')}:latest"}
    await trash.empty(await shelf.held(trash))
    assert (await shelf.images.inspect(shelf.name("a")))["Id"] == identifier


async def test_an_image_without_a_name_comes_back_with_one(shelf: Shelf) -> None:
    identifier = await shelf.make("a")
    await shelf.make("a")  # takes the name
    trash = Trash(shelf.images)
    removal = await trash.put([identifier])
    assert removal.deleted == (identifier,)
    (held,) = [it for it in await trash.held() if it.image.id == identifier]
    assert held.name == "" and held.said == identifier[7:19]
    (restored,) = await trash.restore([held])
    assert restored.name == f"restored:{identifier[7:19]}"
    await shelf.images.remove([restored.name])


async def test_an_archive_tells_how_far_it_is(shelf: Shelf) -> None:
    identifier = await shelf.make("a", 5_000_000)
    said: list[tuple[int, int]] = []
    out = shelf.folder / "out.tar"
    await shelf.images.save([shelf.name("a")], out, Talk(progress=lambda current, total: said.append((current, total))))
    assert said and said[-1][0] >= 5_000_000 and all(current <= total for current, total in said)
    await shelf.images.remove([shelf.name("a")])
    said.clear()
    came = await shelf.images.load(out, Talk(progress=lambda current, total: said.append((current, total))))
    assert list(came) == [f"{shelf.name('a')}:latest"] and said
    assert (await shelf.images.inspect(shelf.name("a")))["Id"] == identifier


@pytest.mark.parametrize("what", ["save", "load", "import"])
async def test_a_transfer_ends_within_a_second_of_asking(shelf: Shelf, what: str) -> None:
    """Cancelled at its first word: what it wrote is gone, and what it would have made is not there."""
    await shelf.make("a", 30_000_000)
    out = shelf.folder / "out" / "a.tar"
    out.parent.mkdir()
    if what != "save":
        await shelf.images.save([shelf.name("a")], out)
        await shelf.images.remove([shelf.name("a")])
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    held = asyncio.Event()

    def stop(current: int, total: int) -> None:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(held.wait(), loop).result(10)  # the transfer stands still at this word

    talk = Talk(progress=stop)
    task = asyncio.create_task({
        "save": lambda: shelf.images.save([shelf.name("a")], out, talk),
        "load": lambda: shelf.images.load(out, talk),
        "import": lambda: shelf.images.import_(out, tag=shelf.name("b"), talk=talk),
    }[what]())  # type: ignore[arg-type, operator]  # fmt: skip
    await asyncio.wait_for(begun.wait(), 10)
    asked = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - asked < 1
    held.set()
    wanted = set() if what == "save" else {"a.tar"}
    for _ in range(200):
        if {it.name for it in out.parent.iterdir()} == wanted:
            break
        await asyncio.sleep(0.02)
    assert {it.name for it in out.parent.iterdir()} == wanted
    assert await shelf.names() == ({f"{shelf.name('a')}:latest"} if what == "save" else set())


async def test_what_images_share_is_counted(shelf: Shelf) -> None:
    identifier = await shelf.make("a", 100_000)
    (found,) = [it for it in await shelf.images.sizes() if it.id == identifier]
    assert found.unique >= 100_000 and found.shared == 0


async def test_another_program_is_heard_within_a_second(shelf: Shelf) -> None:
    """What another connection, or another process on the store, does."""
    await shelf.make("a")
    changes = shelf.images.changes()
    first = asyncio.ensure_future(anext(changes))
    if isinstance(shelf.engine, EmbeddedEngine):
        other: Engine = EmbeddedEngine(shelf.folder / "store")
        await asyncio.sleep(0)
    else:
        other = DockerEngine(shelf.engine.address.host)
        await first  # the engine is listened to
        first = asyncio.ensure_future(anext(changes))
    try:
        for number in range(20):  # until the watch stands
            asked = time.monotonic()
            await other.images.tag(shelf.name("a"), shelf.name(f"again{number}"))
            done, _ = await asyncio.wait([first], timeout=1)
            if done:
                break
        assert first.done() and time.monotonic() - asked < 1
    finally:
        first.cancel()
        await changes.aclose()  # type: ignore[attr-defined]
        await other.close()


async def test_only_an_engine_with_containers_commits_one(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="docker"):
        await EmbeddedEngine(tmp_path / "store").images.commit("web", tag="x")
    assert await EmbeddedEngine(tmp_path / "store").images.containers() == {}


@pytest.mark.slow
async def test_a_container_is_an_image_in_use_and_can_be_committed(docker_host: str, tmp_path: Path) -> None:
    from workbench.engines.address import resolve
    from workbench.engines.docker.client import Client

    shelf = Shelf(DockerEngine(docker_host), tmp_path)
    identifier = await shelf.make("a")
    client = Client(resolve(docker_host, None))
    container = client.create_container(identifier, ["/nothing"], name=shelf.prefix)["Id"]
    try:
        assert (await shelf.images.containers())[identifier] == (f"{shelf.prefix} (created)",)
        removal = await Trash(shelf.images).plan([identifier])
        assert removal.containers == (f"{shelf.prefix} (created)",) and removal.blocked
        with pytest.raises(ImageInUse, match=shelf.prefix):
            await Trash(shelf.images).put([shelf.name("a")])
        made = await shelf.images.commit(
            shelf.prefix, tag=shelf.name("c"), changes=["ENV A=b"], message="why", author="who"
        )
        found = await shelf.images.inspect(shelf.name("c"))
        assert found["Id"] == made and "A=b" in found["Config"]["Env"]
        assert (found["Comment"], found["Author"]) == ("why", "who")
        with pytest.raises(ImageNotFound):
            await shelf.images.commit("no-such-container-at-all")
    finally:
        client.remove_container(container, force=True)
        client.close()
        for name in ("c", "a"):
            await shelf.images.remove([shelf.name(name)], force=True)
        await shelf.engine.close()


@pytest.mark.parametrize("what", ["pull", "push"])
async def test_a_registry_that_hangs_is_left_within_a_second(shelf: Shelf, what: str) -> None:
    """Nobody has to wait for the engine, and the embedded one gives up itself."""
    came, gone = asyncio.Event(), asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        while await reader.read(1000):
            pass
        gone.set()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    name = f"127.0.0.1:{server.sockets[0].getsockname()[1]}/{shelf.name('a')}"
    await shelf.images.tag(await shelf.make("a"), name)
    task = asyncio.create_task(shelf.images.pull(name) if what == "pull" else shelf.images.push(name))  # type: ignore[arg-type]
    try:
        await asyncio.wait_for(came.wait(), 10)
        asked = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - asked < 1
        if isinstance(shelf.engine, EmbeddedEngine):  # Docker 20.10 waits ten seconds for TLS, whoever has gone
            await asyncio.wait_for(gone.wait(), 10)
    finally:
        server.close()
