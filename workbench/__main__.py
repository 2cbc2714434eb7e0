"""`python -m workbench` is the `workbench` command."""

import os
import sys
import threading
from typing import NoReturn

from workbench.cli import main


def run() -> NoReturn:
    """Does what the command line says, and ends the process.

    Where nothing runs any more there is nothing to wait for: without the interpreter's own end, which takes every
    module apart, a short command is a tenth shorter.
    """
    code = main()
    if threading.active_count() == 1:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            sys.exit(code)
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    run()
