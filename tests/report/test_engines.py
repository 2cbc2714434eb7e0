"""What `workbench engines` says of engines that are there and of those that are not."""

from workbench.build.engine import EngineInfo
from workbench.errors import EngineUnavailable
from workbench.report.engines import engine_json, engines_table

THERE = EngineInfo("embedded", "0.1.0", "", ("bwrap 0.11.0", "as root"), ("no user namespaces",))
NOT_THERE = EngineUnavailable("no Docker Engine answers at unix:///x", hint="Start Docker.")


def test_the_table_says_why_not_and_what_to_do() -> None:
    lines = engines_table([("embedded", THERE), ("docker", NOT_THERE)], "embedded").splitlines()
    assert lines[0].split() == ["ENGINE", "USABLE", "VERSION", "ABOUT"]
    assert lines[1].split()[:4] == ["embedded", "*", "yes", "0.1.0"] and lines[1].endswith("bwrap 0.11.0, as root")
    assert lines[2].split()[:3] == ["docker", "no", "-"] and lines[2].endswith("no Docker Engine answers at unix:///x")
    assert lines[4:] == ["embedded: no user namespaces", "docker: Start Docker."]


def test_json_has_one_shape_for_both() -> None:
    there, not_there = engine_json("embedded", THERE, "embedded"), engine_json("docker", NOT_THERE, "embedded")
    assert set(there) == set(not_there)
    assert (there["usable"], there["chosen"], there["version"], there["why_not"]) == (True, True, "0.1.0", None)
    assert (not_there["usable"], not_there["why_not"], not_there["hint"]) == (False, str(NOT_THERE), "Start Docker.")
