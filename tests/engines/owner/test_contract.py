"""The laws of the event stream, on engines whose builds run in the owner of their context.

Cancelling before the start is not among them: a live loop that is cancelled then has no build to tell of.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.engines.bench import Bench, put_base
from tests.engines.owner.owned import OwnedEngine
from tests.engines.test_contract import (
    test_a_command_cannot_speak_for_the_engine,
    test_a_dockerfile_that_does_not_parse_raises,
    test_a_failing_step_is_data,
    test_a_second_build_is_cached,
    test_an_option_it_cannot_honour_is_refused_by_name,
    test_cancelling_leaves_nothing,
    test_containers_of_a_run,
    test_copy_from_a_stage,
    test_copy_of_nothing,
    test_images_after_a_build,
    test_leaving_a_build_cancels_it,
    test_no_line_of_a_log_is_lost_to_a_slow_reader,
    test_stages_with_target_and_arguments,
    test_stderr_is_told_apart,
    test_success,
    test_text_is_raw,
)
from workbench.config import Config
from workbench.engines.choose import make

__all__ = [
    "test_a_command_cannot_speak_for_the_engine",
    "test_a_dockerfile_that_does_not_parse_raises",
    "test_a_failing_step_is_data",
    "test_a_second_build_is_cached",
    "test_an_option_it_cannot_honour_is_refused_by_name",
    "test_cancelling_leaves_nothing",
    "test_containers_of_a_run",
    "test_copy_from_a_stage",
    "test_copy_of_nothing",
    "test_images_after_a_build",
    "test_leaving_a_build_cancels_it",
    "test_no_line_of_a_log_is_lost_to_a_slow_reader",
    "test_stages_with_target_and_arguments",
    "test_stderr_is_told_apart",
    "test_success",
    "test_text_is_raw",
]
pytestmark = pytest.mark.slow


@pytest_asyncio.fixture(params=["embedded", "docker"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """An engine of this process, and one elsewhere, owned, with `busybox:latest` in its store."""
    host = None if request.param == "embedded" else request.getfixturevalue("docker_host")
    config = Config(engine=request.param, host=host, root=tmp_path / "store")
    context = tmp_path / "context"
    context.mkdir()
    engine = OwnedEngine(make(request.param, config), context, config)
    await put_base(engine, request.getfixturevalue("conformance"))
    bench = Bench(engine, context, f"wb-owner-{uuid.uuid4().hex[:8]}")  # type: ignore[arg-type]
    yield bench
    for tag in bench.made:
        if await engine.images.list(name=tag):
            await engine.images.remove([tag], force=True)
    await engine.close()
