"""Text to meaning: reads Dockerfiles as BuildKit does. No I/O, and nothing heavy is imported.

parse(text) -> Dockerfile         raises DockerfileError(line, column, message)
expand(instruction, env)          variables filled in, and the names used
needed_stages(dockerfile, target) what has to be built
"""

from workbench.dockerfile.document import Dockerfile, decode, parse, parse_trigger
from workbench.dockerfile.effect import effect
from workbench.dockerfile.expand import expand
from workbench.dockerfile.instructions import Instruction
from workbench.dockerfile.nodes import Heredoc, Node, Range
from workbench.dockerfile.stages import (
    Stage,
    base_stage,
    build_steps,
    find_stage,
    global_environment,
    needed_stages,
    source_stage,
)
from workbench.dockerfile.words import WordError, process_word, process_words
from workbench.errors import DockerfileError

__all__ = [
    "Dockerfile",
    "DockerfileError",
    "Heredoc",
    "Instruction",
    "Node",
    "Range",
    "Stage",
    "WordError",
    "base_stage",
    "build_steps",
    "decode",
    "effect",
    "expand",
    "find_stage",
    "global_environment",
    "needed_stages",
    "parse",
    "parse_trigger",
    "process_word",
    "process_words",
    "source_stage",
]
