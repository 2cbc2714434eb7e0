"""The steps of one stage: each looked up in the cache, else performed, and committed to the stage's image."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from workbench.build.arguments import BuildArguments
from workbench.build.change import Change
from workbench.build.manifest import Manifest, argument_value, run_options
from workbench.build.platforms import cannot_run, runs_here
from workbench.context.ignore import IgnoreRules
from workbench.dataclass import dataclass
from workbench.dockerfile import Stage, effect, expand
from workbench.dockerfile import instructions as docker
from workbench.engines.embedded import copy
from workbench.engines.embedded.cache import Hit
from workbench.engines.embedded.container import SHM_SIZE
from workbench.engines.embedded.gather import Gather, changing
from workbench.engines.embedded.messages import StepFailed, refuse_zero, run_failed
from workbench.engines.embedded.mounts import Mounts
from workbench.engines.embedded.state import ImageState, now
from workbench.engines.embedded.store import LayerRef, to_json
from workbench.engines.embedded.taken import take
from workbench.engines.embedded.trail import Visited
from workbench.engines.embedded.trees import Tree
from workbench.engines.embedded.view import ImageView
from workbench.errors import DockerfileError, InputError

if TYPE_CHECKING:
    from workbench.engines.embedded.landing import Landing
    from workbench.engines.embedded.run import RunRequest
    from workbench.engines.embedded.tools import Tools


class NotReused(Exception):
    """In a forecast: a step that the next build would do anew."""

    def __init__(self, why: tuple[Change, ...]) -> None:
        super().__init__()
        self.why = why


FindSource = Callable[[Stage, str], Tree]


@dataclass(slots=True)
class _Performed:
    """A step that was not in the cache."""

    created_by: str
    layer: LayerRef | None = None
    cacheable: bool = True


class StageBuild:
    """A stage while it is built. `parent` is the image that FROM named, `untouched` that image's ID as long as
    nothing was added to it, `added` the bytes of the last step's layer (None where it has none)."""

    def __init__(
        self, tools: Tools, state: ImageState, arguments: BuildArguments, parent: str, stage: Stage, source: FindSource
    ) -> None:
        self._tools = tools
        self.state = state
        self.arguments = arguments
        self.parent = parent
        self.stage = stage
        self._source = source
        self.image_id = ""
        self.untouched = ""
        self.added: int | None = None
        self.base = ""
        """The name of the image that FROM named, "" where it is another stage."""
        self.why: tuple[Change, ...] = ()
        """Why the last step was not reused."""
        self.anew: int | str | None = None
        """The step, or the name of the stage below, since which nothing can be reused."""
        self.step = 0
        """The one that is or was done last."""
        self._view: ImageView | None = None
        """Of the layers that there were when it was last asked for."""

    @property
    def view(self) -> ImageView:
        if self._view is None or len(self._view.layers) < len(self.state.layers):
            self._view = self._tools.files.view(self.state.layers, self._tools.scratch, self._view)
        return self._view

    # -- one step ------------------------------------------------------------------------------------------------

    def perform(self, instruction: docker.Instruction, step: int) -> bool:
        """Does one instruction; whether it came from the cache. Raises StepFailed, WorkbenchError, Cancelled."""
        self._begin(step)
        env = self.state.env
        visible = self.arguments.visible(env)
        try:
            it, used = expand(instruction, {**visible, **env}, self._tools.plan.dockerfile.escape)
        except DockerfileError as error:
            raise StepFailed(error.message, error.hint) from error
        self.arguments.used |= used
        match it:
            case docker.Arg():
                return self._arg(it, step)
            case docker.Run():
                return self._run(it, step, visible)
            case docker.Copy() | docker.Add():
                return self._transfer(it)
            case docker.Workdir():
                return self._workdir(it, step)
        return self._configure(self.state.apply(it), step)

    def _begin(self, step: int) -> None:
        self.added = None
        self.why = ()
        self.step = step

    def label(self, step: int, name: str, value: str) -> bool:
        """`--label`, which the classic builder adds as an instruction."""
        self._begin(step)
        self.state.config["Labels"] = {**(self.state.config.get("Labels") or {}), name: value}
        return self._configure(f"LABEL {name}={value}", step)

    def _arg(self, it: docker.Arg, step: int) -> bool:
        for name, default in it.pairs:
            self.arguments.declare(name, default)
        text = " ".join(name if value is None else f"{name}={value}" for name, value in it.pairs)
        return self._configure(f"ARG {text}", step)

    def _configure(self, comment: str, step: int) -> bool:
        created_by = self.state.comment(comment)

        def work() -> _Performed:
            with self._tools.container(step):
                return _Performed(created_by, self._created())

        def told() -> Manifest:
            return Manifest(keyword=comment.partition(" ")[0], instruction=comment)

        return self._cached(comment, self.state.config, created_by, work, told)

    def _cached(
        self,
        instruction: str,
        inputs: Any,
        created_by: str,
        work: Callable[[], _Performed],
        told: Callable[[], Manifest],
        *,
        anywhere: bool = False,
    ) -> bool:
        """The step out of a cache, or done now and put there. `told` is the manifest without what it stands on;
        `anywhere` says that this is nothing."""
        tools = self._tools
        parent = "" if anywhere else self.image_id
        base = self.base if self.image_id == self.untouched and not anywhere else ""
        key = tools.cache.key(parent, instruction, inputs)
        hit = None if tools.request.no_cache else tools.cache.get(key)
        if hit is None and not tools.request.no_cache:
            hit = tools.elsewhere(self.state, created_by, self.step)
            if hit is not None and not tools.foresees:
                tools.cache.put(key, hit, replace(told(), parent=parent, base=base))
        reused = hit is not None
        if hit is None:
            manifest = replace(told(), parent=parent, base=base)
            self.why = self._explain(key, manifest, anywhere)
            if tools.foresees:
                raise NotReused(self.why)
            done = work()
            hit = Hit(done.created_by, now(), done.layer)
            if done.cacheable:
                tools.cache.put(key, hit, manifest)
            self.anew = self.step if self.anew is None else self.anew
        self._commit(hit)
        tools.trail.note(Visited(key, parent, base, self.stage.index))
        return reused

    def _explain(self, key: str, manifest: Manifest, anywhere: bool) -> tuple[Change, ...]:
        if self._tools.request.no_cache:
            return (Change("no-cache"),)
        if self.anew is not None and not anywhere:
            return (Change("previous" if isinstance(self.anew, int) else "stage", str(self.anew)),)
        return self._tools.trail.why(key, manifest, self.stage.index)

    def _commit(self, hit: Hit) -> None:
        self.state.commit(hit.created_by, created=hit.created, layer=hit.layer)
        self.image_id = f"sha256:{hashlib.sha256(to_json(self.state.document())).hexdigest()}"
        self.untouched = ""
        if hit.layer is not None:
            self.added = hit.layer.content

    # -- WORKDIR -------------------------------------------------------------------------------------------------

    def _workdir(self, it: docker.Workdir, step: int) -> bool:
        refuse_zero(it.keyword, [it.path])
        comment = self.state.set_workdir(it.path)
        created_by = self.state.content_comment(comment)

        def work() -> _Performed:
            with self._tools.container(step):
                return _Performed(created_by, self._created())

        def told() -> Manifest:
            return Manifest(keyword=it.keyword, instruction=comment)

        return self._cached(comment, self.state.config, created_by, work, told)

    def _created(self) -> LayerRef | None:
        """What the classic builder's container of a step changes where nothing runs in it: its working folder is made.
        Raises StepFailed where that or a volume is a file (moby 20.10, daemon/create_unix.go)."""
        if self.state.workdir == "/" and not self.state.volumes:
            return None
        from workbench.engines.embedded.landing import Landing

        landing = Landing(self.view, self.state.base_time)
        for volume in self.state.volumes:
            there = landing.lookup(landing.resolve(posixpath.normpath(f"/{volume}").lstrip("/")))
            if there is not None and there.kind != "directory":
                raise StepFailed(f"cannot mount volume over existing file, file exists {volume}")
        try:
            landing.make_folder(landing.resolve(self.state.workdir), (0, 0))
        except InputError as error:
            raise StepFailed(f"Cannot mkdir: {self.state.workdir} is not a directory") from error
        return self._write(landing)

    def _write(self, landing: Landing) -> LayerRef | None:
        if landing.empty:
            return None
        from workbench.engines.embedded.layer_tar import LayerWriter

        tools = self._tools
        with tools.store.write_blob() as blob:
            writer = LayerWriter(blob, check=tools.cancel.check)
            landing.write(writer)
            made = blob.commit()
        layer = LayerRef(made.digest, made.digest, made.size, content=writer.content)
        if writer.whole:
            tools.files.remember(layer, writer.entries)
        return layer

    # -- RUN -----------------------------------------------------------------------------------------------------

    def _run(self, it: docker.Run, step: int, visible: dict[str, str]) -> bool:
        tools, request = self._tools, self._tools.request
        if not runs_here(self.state.platform):
            raise StepFailed(*cannot_run(self.state.platform))
        argv = list(it.argv) if not it.shell else [*self.state.shell, it.command]
        refuse_zero(it.keyword, [*argv, *visible.values(), *self.state.env.values()])
        shown = self.arguments.in_history(visible)
        created_by = " ".join([f"|{len(shown)}", *shown, *argv] if visible else argv)
        mounts = Mounts(it.mounts, tools, lambda name: self._source(self.stage, name), self.state.workdir)
        network = self._network(it)
        inputs = {
            "argv": argv, "args": visible, "config": self.state.config, "network": network, "security": it.security,
            "mounts": mounts.manifest(), "hosts": list(request.add_hosts), "shm": request.shm_size,
            "limits": list(request.ulimits),
        }  # fmt: skip

        def work() -> _Performed:
            from workbench.engines.embedded.run import RunRequest

            with tools.container(step) as container, mounts.ready() as ready:
                wanted = RunRequest(
                    argv=argv, env={**self._environment(visible), **ready.env}, user=self.state.user,
                    workdir=self.state.workdir, volumes=self.state.volumes, container=container, network=network,
                    add_hosts=request.add_hosts, limits=tools.plan.limits, mounts=ready.binds,
                    shm_size=SHM_SIZE if request.shm_size is None else request.shm_size,
                    script=it.script.text if it.script else None, insecure=it.security == "insecure",
                )  # fmt: skip
                return _Performed(created_by, self._start(wanted, step, ready.secrets))

        def told() -> Manifest:
            return Manifest(
                keyword="RUN", instruction=effect(it), inputs=mounts.inputs,
                options=run_options(request, network),
                arguments={name: argument_value(name, value) for name, value in visible.items()},
            )  # fmt: skip

        return self._cached("RUN", inputs, created_by, work, told)

    def _environment(self, visible: Mapping[str, str]) -> dict[str, str]:
        """The image's variables, and behind them the arguments that none of them hides."""
        env = dict(self.state.env)
        return env | {name: value for name, value in visible.items() if name not in env}

    def _network(self, it: docker.Run) -> Literal["host", "none"]:
        asked = it.network if it.network != "default" else self._tools.request.network
        return "none" if asked == "none" else "host"

    def _start(self, wanted: RunRequest, step: int, secrets: Sequence[bytes]) -> LayerRef | None:
        from workbench.build.events import ContainerEvent
        from workbench.engines.embedded.redact import Redacted

        tools, name = self._tools, wanted.container
        log = Redacted(tools.log(step), secrets)
        tools.emit(ContainerEvent(step=step, action="started", container=name))
        try:
            result = tools.runner().run(wanted, self.state.layers, self.view, log)
        finally:
            log.flush()
        tools.emit(ContainerEvent(step=step, action="exited", container=name, exit_code=result.exit_code))
        if result.exit_code:
            raise run_failed(wanted.argv, result.exit_code, tools.tails.get(step, ""))
        tools.emit(ContainerEvent(step=step, action="committed", container=name))
        if result.layer is not None:
            tools.files.remember(result.layer, result.entries)
        return result.layer

    # -- COPY and ADD --------------------------------------------------------------------------------------------

    def _transfer(self, it: docker.Copy | docker.Add) -> bool:
        tools = self._tools
        keyword = it.keyword
        refuse_zero(keyword, [*it.sources, it.destination])
        gather = Gather(tools, lambda: self.view, lambda name: self._source(self.stage, name))
        sources = gather.sources(it)
        if len(sources) > 1 and not it.destination.endswith("/"):
            raise StepFailed(
                f"When using {keyword} with more than one source file, the destination must be a directory and end "
                "with a /"
            )
        owner = gather.owner(it)
        transfer = copy.Transfer(
            keyword, sources, it.destination, self.state.workdir, owner, gather.mode(it),
            IgnoreRules(it.exclude) if it.exclude else None,
        )  # fmt: skip
        origin = it.from_ if isinstance(it, docker.Copy) else ""
        taken = take(transfer, tools.cancel.check, origin)
        created_by = self.state.content_comment(copy.comment(transfer, taken.digest, it.chown))
        inputs = {
            "taken": taken.digest, "to": it.destination, "workdir": self.state.workdir, "owner": owner,
            "chmod": it.chmod,
        }  # fmt: skip

        def told() -> Manifest:
            return Manifest(keyword=keyword, instruction=effect(it), inputs=taken.inputs)

        anywhere = it.link and not it.chmod  # as BuildKit: with --chmod it is an ordinary copy

        def work() -> _Performed:
            return self._land(transfer, created_by, ImageView() if anywhere else self.view)

        return self._cached(keyword, inputs, created_by, work, told, anywhere=anywhere)

    def _land(self, transfer: copy.Transfer, created_by: str, below: ImageView) -> _Performed:
        """On `below`: the image so far, or with `--link` nothing, so that the layer fits on any image."""
        from workbench.engines.embedded.copy_landing import land
        from workbench.engines.embedded.landing import Landing

        tools = self._tools
        before = changing(transfer.sources)
        landing = Landing(below, self.state.base_time if below.layers else 0)
        try:
            land(transfer, landing, tools.scratch, tools.cancel.check)
        except InputError as error:
            raise StepFailed(f"{transfer.keyword} failed: {error}", error.hint) from error
        graft, copied = landing.graft, tools.files.copied
        if graft is not None and not tools.request.no_cache:
            graft.before = copied.get(graft.key)
        layer = self._write(landing)
        if graft is not None and graft.copied is not None and layer is not None and not graft.tree.changed:
            copied.keep(graft.key, graft.copied, tools.store.blob_path(layer.digest))
        return _Performed(created_by, layer, cacheable=changing(transfer.sources) == before)

    def fill(self, tree: Tree, name: str) -> bool:
        """FROM a named context that is no image: its files are the stage's first layer."""
        root = tree.lookup("")
        assert root is not None, "a tree has a root"
        transfer = copy.Transfer("FROM", [copy.Source(tree, "", "", root)], "/", "/", (0, 0))
        taken = take(transfer, self._tools.cancel.check, name)

        def told() -> Manifest:
            return Manifest(keyword="FROM", instruction=f"FROM {name}", inputs=taken.inputs)

        def work() -> _Performed:
            return self._land(transfer, f"FROM {name}", self.view)

        return self._cached("FROM", {"taken": taken.digest}, f"FROM {name}", work, told)
