"""Which builds of the engines without manifests look at the context a second time, to say why a step was not reused."""

from pathlib import Path

import pytest

from workbench.build.explain import ExplainedBuild
from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.engines.choose import make


@pytest.mark.parametrize("name", ["docker", "buildkit"])
@pytest.mark.parametrize("explains", [True, False])
async def test_a_build_explains_where_it_is_asked_to(name: str, explains: bool, tmp_path: Path) -> None:
    engine = make(name, Config(host=f"unix://{tmp_path}/docker.sock"), explains=explains)
    build = engine.build(BuildRequest(context=tmp_path))
    assert isinstance(build, ExplainedBuild) is explains
    await build.aclose()
    await engine.close()
