"""Beginning anew in a forked process: locks, descriptors and random bits are its parent's there.

uWSGI forks without telling Python of it (unless `py-call-osafterfork` is set), but has a hook of its own.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable

_functions: list[Callable[[], None]] = []


def run_after_fork(function: Callable[[], None]) -> Callable[[], None]:
    """Have the function called in each process that is forked off this one, at once; twice in a row does no harm."""
    _functions.append(function)
    return function


def _begin() -> None:
    for function in _functions:
        function()


def _hear_of_uwsgi() -> None:
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None:
        return
    try:
        # Whoever imports this module takes uWSGI's one hook for its list.
        importlib.import_module("uwsgidecorators").postfork_chain.append(_begin)
    except Exception:  # noqa: BLE001  (it is not installed, or the plain exception that there is no master process)
        uwsgi.post_fork_hook = _begin  # type: ignore[attr-defined]  # a module without stubs


os.register_at_fork(after_in_child=_begin)
_hear_of_uwsgi()
