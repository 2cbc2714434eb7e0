"""watchfiles' backend alone."""

from __future__ import annotations

import subprocess
import sys

ASKED_BY_MANY = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from workbench.context.notify import backend

at_once = threading.Barrier(8)

def ask(_):
    at_once.wait()
    return backend().RustNotify

with ThreadPoolExecutor(8) as threads:
    found = set(threads.map(ask, range(8)))
assert len(found) == 1 and "watchfiles" not in sys.modules and "anyio" not in sys.modules
import watchfiles
assert watchfiles.main.RustNotify in found
"""


def test_it_is_loaded_once_and_without_the_rest_of_watchfiles() -> None:
    subprocess.run([sys.executable, "-c", ASKED_BY_MANY], check=True, timeout=60)
