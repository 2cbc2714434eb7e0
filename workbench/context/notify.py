"""The part of watchfiles that speaks to the kernel, without the rest of it: that would load anyio and multiprocessing,
in which a command spends more time than in setting up its watch."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

_NAME = "watchfiles._rust_notify"


_loading = Lock()


def backend() -> ModuleType:
    """`watchfiles._rust_notify`, with `RustNotify` and `WatchfilesRustInternalError`. Raises ImportError."""
    with _loading:
        if _NAME not in sys.modules:
            package = find_spec("watchfiles")
            spec = PathFinder.find_spec(_NAME, package.submodule_search_locations) if package is not None else None
            if spec is None or spec.loader is None:
                raise ImportError("watchfiles is not installed, or not as it should be", name=_NAME)
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
            sys.modules[_NAME] = module  # whoever imports the whole package later must not load it a second time
        return sys.modules[_NAME]
