"""RUN: what a command sees, what it leaves, and that nothing of it is left."""

from __future__ import annotations

import os

import pytest
from builds import Builder

from workbench.engines.embedded.bwrap import Ability
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.errors import Unsupported, UsageError

pytestmark = pytest.mark.usefixtures("sandbox")

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="owners on the disk need root")


async def run(build: Builder, *lines: str, **options: object) -> str:
    built = await build("FROM busybox\n" + "\n".join(lines) + "\n", no_cache=True, **options)
    assert built.end.outcome == "succeeded", built.end
    return built.log


async def test_environment(build: Builder) -> None:
    log = await run(
        build, "ENV A=1", "ARG B=2", "ARG C", "ENV LD_PRELOAD=/nosuch.so", "WORKDIR /w/",
        "RUN env; pwd; id -u; umask; echo $$", build_args={"C": "3", "HTTP_PROXY": "p", "D": "4"},
    )  # fmt: skip
    lines = set(log.splitlines())
    assert {"A=1", "B=2", "C=3", "HTTP_PROXY=p", "HOME=/root", "PWD=/w", "/w", "0", "0022", "1"} <= lines
    assert not [line for line in lines if line.startswith(("D=", "APT_CONFIG"))]
    assert any(line.startswith("HOSTNAME=") and len(line) == len("HOSTNAME=") + 12 for line in lines)


async def test_history_and_layer(build: Builder) -> None:
    built = await build(
        "FROM busybox\nARG x=1\nARG HTTP_PROXY\nRUN touch /new; rm /bin/ash; rm -r /usr; mkdir /usr\nRUN true\n"
    )
    assert built.history[-2:] == [
        "|1 x=1 /bin/sh -c touch /new; rm /bin/ash; rm -r /usr; mkdir /usr",
        "|1 x=1 /bin/sh -c true",
    ]
    assert [entry.get("empty_layer", False) for entry in built.config["history"]][-2:] == [False, True]
    layer = built.layer()
    assert {"new", "bin", "bin/.wh.ash", "usr", "usr/.wh..wh..opq"} == set(layer)
    assert layer["bin"].mode == 0o755


async def test_nothing_of_the_sandbox_is_in_the_layer(build: Builder) -> None:
    built = await build(
        "FROM busybox\nRUN echo x > /etc/hosts; echo y >> /etc/resolv.conf; touch /dev/x /tmp/t\nRUN ls /etc\n"
    )
    assert set(built.layer()) == {"tmp", "tmp/t"}
    assert "hosts" in built.log


async def test_volumes_are_discarded(build: Builder) -> None:
    built = await build(
        "FROM busybox\nCOPY f /var/www/\nVOLUME /var/www /new\nCOPY f /var/www/g\n"
        "RUN ls /var/www; touch /var/www/a /new/b; chmod 700 /new\n"
        "RUN ls -A /var/www /new\n",
        {"f": ""},
    )  # fmt: skip
    assert built.log == "f\ng\n/new:\n\n/var/www:\nf\ng\n"
    assert {name: oct(info.mode) for name, info in built.layer(-1).items()} == {"new": "0o755"}


async def test_a_copy_leaves_the_folders_above_as_they_are(build: Builder) -> None:
    log = await run(build, "COPY Dockerfile /tmp/f", "COPY Dockerfile /root/f", "RUN stat -c %a /tmp /root")
    assert log.split() == ["1777", "700"]


async def test_users(build: Builder) -> None:
    log = await run(build, "USER 66", "RUN id; echo $HOME; touch /tmp/a", "USER daemon", "RUN id -u; id -g; echo $HOME")
    first, *others = log.splitlines()
    assert first.startswith("uid=66 gid=0(root)")
    assert others == ["/", "1", "1", "/usr/sbin"]
    log = await run(build, "USER www-data:mail", "RUN id -u; id -g", "USER 5:6", "RUN id -u; id -g")
    assert log.split() == ["33", "8", "5", "6"]
    for user, error in (("joe", "unable to find user joe"), ("root:joe", "unable to find group joe")):
        built = await build(f"FROM busybox\nUSER {user}\nRUN true\n")
        assert error in (built.end.error or "")


async def test_new_files_belong_to_whom_the_command_ran_as(build: Builder) -> None:
    built = await build("FROM busybox\nUSER 66:67\nRUN touch /tmp/a\nUSER root\nRUN chmod 600 /etc/passwd\n")
    assert (built.layer(-2)["tmp/a"].uid, built.layer(-2)["tmp/a"].gid) == (66, 67)
    assert (built.layer(-2)["tmp"].uid, built.layer(-2)["tmp"].mode) == (0, 0o1777)
    assert (built.layer(-1)["etc/passwd"].uid, built.layer(-1)["etc/passwd"].mode) == (0, 0o600)


@root_only
async def test_owners_are_kept(build: Builder) -> None:
    built = await build("FROM busybox\nRUN touch /a; chown 65:66 /a\n")
    assert (built.layer()["a"].uid, built.layer()["a"].gid) == (65, 66)


@pytest.mark.skipif(os.geteuid() == 0, reason="root has other users")
async def test_a_change_of_owner_without_root_does_not_fail(build: Builder) -> None:
    assert (
        await run(build, "RUN touch /a && chown 65:66 /a && mknod /n c 1 3 && mkfifo /p && ls /p && echo done")
        == "/p\ndone\n"
    )


async def test_the_machine_is_out_of_reach(build: Builder, sandbox: Ability) -> None:
    log = await run(
        build,
        "RUN (echo x > /proc/sys/kernel/core_pattern) 2>/dev/null || (echo b > /proc/sysrq-trigger) 2>/dev/null; true",
        "RUN cat /proc/keys; ls /sys/firmware; mknod /d b 8 0 2>/dev/null; cat /d 2>/dev/null; true",
        "RUN grep -E '^Cap(Eff|Bnd)' /proc/self/status", "RUN ls /proc | grep -c '^[0-9]'",
        "RUN ls -A / | grep -E 'oldroot|newroot'; true",
    )  # fmt: skip
    effective, bounding, processes = log.split()[1::2][0], log.split()[3], log.split()[4]
    assert int(bounding, 16) & ~0xA80425FB == 0 or sandbox.mode == "user"
    assert int(effective, 16) & ~0xA80425FB == 0
    assert int(processes) < 6


async def test_network_hosts_limits_and_memory(build: Builder) -> None:
    log = await run(
        build, "RUN ip -o link | wc -l; ulimit -n; ulimit -Hn",
        "RUN df -k /dev/shm | tail -1 | awk '{print $2}'; grep foo /etc/hosts",
        network="none", add_hosts=("foo:1.2.3.4",), ulimits=("nofile=50:60",), shm_size=1 << 20,
    )  # fmt: skip
    assert log.split() == ["1", "50", "60", "1024", "1.2.3.4", "foo"]
    assert await run(build, "RUN --network=none ip -o link | wc -l") == "1\n"


async def test_exec_form_finds_its_program(build: Builder) -> None:
    assert (
        await run(build, 'RUN ["echo", "a b", "$HOME"]', 'RUN ["/bin/sh", "-c", "echo $0 $1", "x", "y"]')
        == "a b $HOME\nx y\n"
    )
    for line, error in (
        ('RUN ["nosuch"]', 'exec: "nosuch": executable file not found in $PATH'),
        ('RUN ["/nosuch"]', 'exec: "/nosuch": stat /nosuch: no such file or directory'),
        ('RUN ["/etc/passwd"]', 'exec: "/etc/passwd": permission denied'),
    ):
        built = await build(f"FROM busybox\n{line}\n")
        assert (built.end.error, built.end.step) == (error, 2)
    bare = await build("FROM scratch\nRUN true\n")
    assert (bare.end.error or "").startswith('exec: "/bin/sh": stat')
    assert "no shell" in bare.end.hint


async def test_what_a_failed_command_says(build: Builder) -> None:
    built = await build("FROM busybox\nRUN exit 3\n")
    assert built.end.error == "The command '/bin/sh -c exit 3' returned a non-zero code: 3"
    assert built.end.hint.startswith("It wrote nothing")
    told = await build("FROM busybox\nRUN echo why; exit 3\n")
    assert told.end.hint == "What the command wrote says why."
    missing = await build("FROM busybox\nRUN make all\n")
    assert missing.end.hint.startswith('"make" is not in this image')


async def test_bytes_that_are_not_utf8(build: Builder) -> None:
    assert await run(build, r"RUN printf '\303\244\377x\n'") == "ä\ufffdx\n"


async def test_mounts(build: Builder) -> None:
    build.put({"x/y": "hello\n"})
    log = await run(
        build,
        "RUN --mount=type=cache,target=/c echo a >> /c/f",
        "RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t cat /c/f; touch /t/x",
        "RUN --mount=type=bind,source=x,target=/b cat /b/y; touch /b/z 2>/dev/null || echo ro",
        "RUN --mount=type=bind,from=busybox,source=/etc/group,target=/g head -1 /g",
        "RUN ls -d /c /t /b /g 2>/dev/null; true",
    )
    assert log == "a\nhello\nro\nroot:x:0:\n"


async def test_documents(build: Builder) -> None:
    assert await run(
        build, "RUN <<EOF\necho one\necho two\nEOF", "RUN <<E\n#!/bin/sh\necho script\nE", "RUN cat <<E\nx\nE"
    ) == ("one\ntwo\nscript\nx\n")


@pytest.mark.slow
async def test_more_layers_than_one_mount_takes(build: Builder) -> None:
    lines = [f"RUN echo {n} > /f{n}; rm -f /f{n - 1}" for n in range(45)]
    built = await build(
        "FROM busybox\nRUN mkdir /d; touch /d/a\n" + "\n".join(lines) + "\nRUN rm -r /d; mkdir /d; ls / /d\n"
    )
    assert [name for name in built.log.split() if name.startswith("f")] == ["f44"]
    assert built.log.endswith("/d:\n")


async def test_the_cache_of_steps(build: Builder) -> None:
    text = "FROM busybox\nARG V=1\nRUN echo $V > /v\nCOPY f /f\nRUN cat /f\nCMD x\n"
    first = await build(text, {"f": "1"})
    second = await build(text, build_args={"other": "x"})
    assert second.cached == [False, True, True, True, True, True]
    assert second.image == first.image
    changed = await build(text, {"f": "2"})
    assert changed.cached == [False, True, True, False, False, False]
    back = await build(text, {"f": "1"})
    assert (back.cached[1:], back.image) == ([True] * 5, first.image)
    argument = await build(text, build_args={"V": "2"})
    assert argument.cached == [False, True, False, False, False, False]
    mode = build.context / "f"
    mode.chmod(0o600)
    assert (await build(text)).cached == [False, True, True, False, False, False]
    mode.chmod(0o644)
    os.utime(mode, (5, 5))
    assert (await build(text)).image == first.image, "times do not count"
    assert not any((await build(text, no_cache=True)).cached)


async def test_a_cached_layer_that_went_away(build: Builder) -> None:
    text = "FROM busybox\nRUN echo hi > /x\n"
    first = await build(text)
    build.store.blob_path(first.diff_ids()[-1]).unlink()
    again = await build(text)
    assert again.cached == [False, False]
    assert again.log == ""
    assert again.layer()["x"].size == 3


async def test_a_store_of_another_time_knows_the_cache(build: Builder) -> None:
    text = "FROM busybox\nRUN echo hi > /x\n"
    first = await build(text)
    build.engine = EmbeddedEngine(build.store.root)
    assert (await build(text)).image == first.image


async def test_check_says_what_run_stands_on(build: Builder, sandbox: Ability) -> None:
    info = await build.engine.check()
    assert info.details[0].startswith(f"bwrap {sandbox.bwrap.version if sandbox.bwrap else ''}")
    assert "overlay" in info.details[0]


async def test_every_capability_only_where_it_is_allowed(build: Builder) -> None:
    ask = "grep CapEff /proc/self/status; mount -t tmpfs none /mnt 2>/dev/null && echo mounted || true"
    text = f"FROM busybox\nRUN mkdir /mnt\nRUN --security=insecure {ask}\n"
    with pytest.raises(UsageError, match="line 3: RUN --security=insecure is not allowed") as caught:
        await build(text)
    assert "--allow security.insecure" in caught.value.hint
    insecure = (await build(text, allow=("security.insecure",))).log.split()
    assert int(insecure[1], 16) >= (1 << 38) - 1 and insecure[2] == "mounted"
    sandboxed = (await build(text.replace("insecure", "sandbox"))).log.split()
    assert int(sandboxed[1], 16) == 0xA80425FB and len(sandboxed) == 2


@pytest.mark.parametrize(
    ("flag", "option", "networks"),
    [("", "none", 1), ("--network=none ", None, 1), ("--network=none ", "host", 1), ("--network=host ", "none", 2)],
)
async def test_network_by_instruction_and_by_option(
    build: Builder, flag: str, option: str | None, networks: int
) -> None:
    log = await run(build, f"RUN {flag}grep -c : /proc/net/dev", network=option)
    assert min(int(log), 2) == networks


async def test_devices_are_refused_by_name(build: Builder) -> None:
    with pytest.raises(Unsupported, match=r"RUN --device \(line 2\)"):
        await build("FROM busybox\nRUN --device=nvidia.com/gpu true\n")
