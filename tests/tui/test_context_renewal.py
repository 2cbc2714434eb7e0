"""The model of a context after changes: what is looked at again is put where a scan of everything would have it."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from tests.tui.stage import make_app, make_context, running, until
from workbench.context.ignore import IgnoreRules
from workbench.context.rarely import rarely_sent
from workbench.context.scan import scan
from workbench.tui.widgets.context_model import Model, build_model
from workbench.tui.widgets.context_renewal import renew

RULES = IgnoreRules(["*.log", "out", "!out/keep", "closed"])
NAMES = ("a", "b.log", "out", "keep", "a.b", "closed", "é", ".env", "node_modules")


def whole(context: Path) -> Model:
    return build_model(scan(context, RULES))


def facts(model: Model) -> dict[str, object]:
    """Everything that a model says, in plain values."""
    columns = ("paths", "depths", "spans", "inner", "sizes", "sent")
    totals = ("files", "bytes", "sent_files", "sent_bytes")
    found: dict[str, object] = {name: list(getattr(model, name)) for name in columns}
    return found | {name: getattr(model, name) for name in totals} | {"entries": list(model.entries)}


def change_something(context: Path, chance: random.Random) -> str:
    """Makes, changes or removes something somewhere; its path."""
    folders = [Path(place) for place, _, _ in os.walk(context)]
    path = chance.choice(folders) / chance.choice(NAMES)
    what = chance.randrange(5)
    if what == 0 and path.exists():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif what == 1 and not path.is_dir():
        path.unlink(missing_ok=True)
        path.mkdir()
        (path / "deep").mkdir()
        (path / "deep" / "keep").write_bytes(b"k" * chance.randrange(99))
    elif what == 2 and not os.path.lexists(path):
        path.symlink_to("nowhere")
    elif not path.is_dir():
        path.unlink(missing_ok=True)
        path.write_bytes(b"x" * chance.randrange(9999))
    return str(path.relative_to(context))


@pytest.mark.parametrize("seed", range(6))
def test_after_any_changes_it_is_what_a_whole_scan_has(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for name in ("a", "out", "closed", "src/deep"):
        (tmp_path / name).mkdir(parents=True)
    model = whole(tmp_path)
    for _ in range(25):
        changed = {change_something(tmp_path, chance) for _ in range(chance.randrange(1, 4))}
        before, said = facts(model), model
        renewal = renew(model, changed)
        assert renewal is not None
        model = renewal.model
        now = scan(tmp_path, RULES)
        expected = facts(build_model(now))
        # A folder's times change with what is in it; nobody is told of that, and nobody is shown it.
        for each in (found := facts(model), expected):
            each["entries"] = [it._replace(mtime_ns=0, ctime_ns=0, nlink=0) for it in each["entries"]]  # type: ignore[attr-defined]
        assert found == expected
        assert facts(said) == before, "the model that is shown stays as it is"
        rare = {it.path for it in renewal.rarely}
        assert rare == {it.path for it in rarely_sent(now) if renewal.renewed(it.path)}


def test_what_is_too_much_or_outside(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "a").touch()
    model = whole(tmp_path)
    assert renew(model, {"."}) is None
    assert renew(model, {f"f{number}" for number in range(1000)}) is None
    for path in ("/etc/passwd", "closed/x/y", "gone/by/now"):
        renewal = renew(model, {path})
        assert renewal is not None and facts(renewal.model) == facts(model)


def test_links_above_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a").touch()
    model = whole(tmp_path)
    shutil.rmtree(tmp_path / "src")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a").write_text("aaa")
    (tmp_path / "src").symlink_to("other")
    renewal = renew(model, {"src/a"})
    assert renewal is not None and renewal.model.place("src/a") is None


async def test_the_panel_looks_only_at_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    async with running(app, built=False) as pilot:
        panel = app.context_panel
        tree = panel.context_tree
        await until(pilot, lambda: "3 of 4 files" in panel.title, "the first scan")
        monkeypatch.setattr(panel, "look", lambda dockerfile: pytest.fail("everything is scanned"))
        (app.context / "src" / "app.py").write_text("x" * 5000)
        (app.context / ".env").write_text("A=1")
        panel.follow({"src/app.py", ".env"})
        await until(pilot, lambda: "4 of 5 files · 5.07kB" in panel.title and "1 !" in panel.title, "the new totals")
        assert list(tree.warned) == [".env"]
        (app.context / ".env").unlink()
        panel.follow({".env"})
        await until(pilot, lambda: "3 of 4 files" in panel.title and "!" not in panel.title, "it went")
