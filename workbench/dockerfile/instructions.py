"""One frozen dataclass per instruction: what the Dockerfile means, before variables are filled in."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from workbench.dataclass import dataclass
from workbench.dockerfile.heredocs import is_heredoc
from workbench.dockerfile.nodes import Heredoc, Node, Range

if TYPE_CHECKING:
    from workbench.dockerfile.mounts import Mount

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Instruction:
    """What all have: their node, with the place in the source."""

    node: Node = field(repr=False)

    @property
    def range(self) -> Range:
        return self.node.range

    @property
    def line(self) -> int:
        return self.node.range.start_line

    @property
    def end_line(self) -> int:
        return self.node.range.end_line

    @property
    def original(self) -> str:
        """The source, joined over its continuation lines."""
        return self.node.original

    @property
    def text(self) -> str:
        """What a build prints behind "Step 1/4 : "."""
        return self.node.text

    @property
    def keyword(self) -> str:
        """The keyword in upper case."""
        return self.node.keyword.upper()


@dataclass(frozen=True, slots=True)
class From(Instruction):
    """Begins a stage. `name` is in lower case, "" for a stage without a name."""

    image: str
    platform: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Arg(Instruction):
    """Names with their default, None for a name without one."""

    pairs: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Env(Instruction):
    """Names with their values, quotes and variables as written."""

    pairs: Pairs
    legacy: bool = False
    """Written `ENV name value`."""


@dataclass(frozen=True, slots=True)
class Label(Instruction):
    """Labels with their values, quotes and variables as written."""

    pairs: Pairs
    legacy: bool = False
    """Written `LABEL name value`."""


@dataclass(frozen=True, slots=True)
class Command(Instruction):
    """A command: the words of the exec form, or one text for the shell; empty where nothing was written."""

    args: tuple[str, ...]
    shell: bool


@dataclass(frozen=True, slots=True)
class Run(Command):
    """A command to run now, on the image so far."""

    mounts: tuple[Mount, ...] = ()
    network: str = "default"
    security: str = "sandbox"
    devices: tuple[str, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def argv(self) -> tuple[str, ...]:
        """The words of the exec form; empty for the shell form."""
        return () if self.shell else self.args

    @property
    def command(self) -> str:
        """The text for the shell, with its documents; the document alone where the command is nothing else."""
        if not self.shell or not self.args:
            return ""
        if not self.heredocs:
            return self.args[0]
        if is_heredoc(self.args[0]):
            return self.heredocs[0].text
        return self.args[0] + "".join(f"\n{document.content}{document.name}" for document in self.heredocs)

    @property
    def script(self) -> Heredoc | None:
        """The document that is to be run as a program of its own: it is the whole command and begins with `#!`."""
        if self.shell and self.heredocs and self.args and is_heredoc(self.args[0]):
            document = self.heredocs[0]
            return document if document.content.startswith("#!") else None
        return None


@dataclass(frozen=True, slots=True)
class Cmd(Command):
    """The default command of the image."""


@dataclass(frozen=True, slots=True)
class Entrypoint(Command):
    """The program that the image starts."""


@dataclass(frozen=True, slots=True)
class Transfer(Instruction):
    """What COPY and ADD share. `heredocs` are the sources whose content stands in the Dockerfile."""

    sources: tuple[str, ...]
    destination: str
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True)
class Copy(Transfer):
    """Files of the context, of a stage or of an image."""

    from_: str = ""
    """A stage, its number, or an image; "" is the build context."""
    parents: bool = False


@dataclass(frozen=True, slots=True)
class Add(Transfer):
    """Files of the context, archives, downloads."""

    checksum: str = ""
    keep_git_dir: bool | None = None
    """None where the flag was not given."""
    unpack: bool | None = None
    """None where the flag was not given: archives of the context are unpacked, downloads are not."""


@dataclass(frozen=True, slots=True)
class Workdir(Instruction):
    """The working directory from here on; a relative one adds to the one before."""

    path: str


@dataclass(frozen=True, slots=True)
class User(Instruction):
    """The user from here on, with a group behind a colon if given."""

    user: str


@dataclass(frozen=True, slots=True)
class Expose(Instruction):
    """Sorted, as BuildKit keeps them; one of them may expand to several."""

    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Volume(Instruction):
    """Where a container gets volumes."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stopsignal(Instruction):
    """The signal that stops a container."""

    signal: str


@dataclass(frozen=True, slots=True)
class Shell(Instruction):
    """The words before a command in shell form, from here on."""

    args: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Healthcheck(Command):
    """Times are nanoseconds, 0 where the default counts. `none` switches an inherited check off."""

    none: bool = False
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0

    @property
    def test(self) -> tuple[str, ...]:
        """As an image's configuration has it."""
        return ("NONE",) if self.none else ("CMD-SHELL" if self.shell else "CMD", *self.args)


@dataclass(frozen=True, slots=True)
class Maintainer(Instruction):
    """The author, in the old way."""

    name: str


@dataclass(frozen=True, slots=True)
class Onbuild(Instruction):
    """`trigger_text` goes into the image; `trigger` is what it says."""

    trigger: Instruction
    trigger_text: str
