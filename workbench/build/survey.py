"""A request looked at before or beside its build: the steps as they are now, and what earlier builds say of them.

For engines whose own cache cannot be asked (the classic builder, BuildKit). Everything blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from workbench.build.forecast import Forecast, foresee
from workbench.build.request import BuildRequest
from workbench.build.sources import ContextFiles
from workbench.build.step_records import KnownSteps, StepRecords
from workbench.build.steps import Builder, Step, StepMaker
from workbench.config import state_dir
from workbench.context.digest import DigestCache
from workbench.context.ignore import load_rules
from workbench.context.scan import Cancelled, scan
from workbench.dataclass import dataclass
from workbench.dockerfile import Dockerfile, decode, parse
from workbench.errors import StoreError, WorkbenchError


@dataclass(slots=True)
class Survey:
    """`look` makes one. `check` raises `context.scan.Cancelled` to end the work."""

    request: BuildRequest
    engine: str
    builder: Builder
    dockerfile: Dockerfile
    files: ContextFiles | None
    check: Callable[[], None]

    @classmethod
    def look(cls, request: BuildRequest, engine: str, builder: Builder, asked: Callable[[], bool]) -> Survey:
        """Reads the Dockerfile and scans the context; nothing is hashed yet. Raises DockerfileError, InputError,
        OSError, Cancelled."""

        def check() -> None:
            if asked():
                raise Cancelled

        text = request.dockerfile_text
        if text is None:
            text = decode(((request.context or Path.cwd()) / request.dockerfile).read_bytes(), path=request.dockerfile)
        dockerfile = parse(text, path=request.dockerfile)
        files = None
        if request.context is not None:
            rules = load_rules(request.context, request.dockerfile)
            if builder == "classic":
                rules = rules.as_classic()
            found = scan(request.context, rules, cancel=asked)
            digests = DigestCache(state_dir() / "digests")
            files = ContextFiles(found, digests, found.sent, check)
        return cls(request, engine, builder, dockerfile, files, check)

    @property
    def records(self) -> StepRecords:
        return StepRecords(self.request, self.engine)

    def steps(self, bases: Mapping[str, str]) -> tuple[Step, ...]:
        """Raises WorkbenchError, Cancelled. File digests are remembered for the next time."""
        made = StepMaker(self.dockerfile, self.request, self.files, self.builder, bases, self.check).make()
        if self.files is not None:
            try:
                self.files.digests.save()
            except StoreError:
                return made  # the next survey reads the files again
        return made

    def base_names(self) -> tuple[str, ...]:
        """The images that FROM names. Raises WorkbenchError."""
        unread = StepMaker(self.dockerfile, self.request, None, self.builder, check=self.check).make()
        return tuple(dict.fromkeys(step.base for step in unread if step.base))

    def known(self, present: Collection[str] | None = None) -> KnownSteps:
        records = self.records
        return KnownSteps(records.load(), records.manifest, present)

    def forecast(self, bases: Mapping[str, str], present: Collection[str] | None = None) -> Forecast:
        """What the next build will reuse. `bases` are the IDs of the images that FROM names, `present` those of all
        images that the engine has, None where it has none for a step."""
        return foresee(
            self.steps(bases), self.known(present), no_cache=self.request.no_cache, fresh=self.fresh_stages()
        )

    def fresh_stages(self) -> frozenset[int]:
        """The stages of `--no-cache-filter`."""
        wanted = {name.lower() for name in self.request.no_cache_filter}
        return frozenset(it.index for it in self.dockerfile.stages if it.name in wanted or str(it.index) in wanted)


TROUBLE = (WorkbenchError, OSError, Cancelled)
"""What a survey may end with: the build itself says what is wrong, so nobody needs to hear it twice."""
