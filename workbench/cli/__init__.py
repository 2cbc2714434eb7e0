"""The one composition root: flags, engine choice, terminal UI or headless command.

Nothing heavy is imported here: each command imports what it needs when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from workbench.errors import WorkbenchError

_YOUNG = 20_000
"""Objects made before the youngest are looked through for garbage. What is imported lives as long as the program: of a
short command, looking through it takes a twentieth."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 done, 1 failed, 2 bad usage or input, 3 the engine, 128+N signal N.

    Never raises for what a user did or met: an error is a line on stderr, and what nobody foresaw leaves its
    traceback in a file of the state folder.
    """
    import gc

    from workbench.cli import output, signals

    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
    try:
        with signals.raising():
            output.prepare()
            code = _run(sys.argv[1:] if argv is None else list(argv))
            output.flush()
            return code
    except WorkbenchError as error:
        output.show_error(error)
        return error.exit_code
    except signals.Interrupted as interrupted:
        output.talk("interrupted")
        return 128 + interrupted.signum
    except KeyboardInterrupt:
        output.talk("interrupted")
        return 130
    except BrokenPipeError:
        output.forget_stdout()
        return 128 + 13
    except SystemExit as ended:  # argparse, after help and version
        return ended.code if isinstance(ended.code, int) else 0
    except OSError as error:
        return _machine(error)
    except Exception as error:
        return _crash(error)


def _machine(error: OSError) -> int:
    """A disk that is full or broken, wherever the program happened to write (stdout, a temporary file), is no mistake
    of the program."""
    from workbench.cli import output

    if not output.is_machines(error):
        return _crash(error)
    output.forget_stdout()
    where = f" {error.filename}" if isinstance(error.filename, str) else ""
    output.talk(f"cannot write{where}: {error.strerror}")
    output.hint("See where the output goes, and the space left there and in the folder for temporary files.")
    return 1


def _crash(error: Exception) -> int:
    from workbench.cli.crash import show_crash

    show_crash(error)
    return 1


def _run(argv: list[str]) -> int:
    from workbench.cli.commands import find
    from workbench.cli.parser import command_parser, configured, top_help

    command, arguments = find(argv)
    if command is None:
        print(top_help(arguments), end="")
        return 0
    module = command.load()
    parser = command_parser(command, module)
    args = parser.read(arguments)
    return int(module.run(args, configured(args)))
