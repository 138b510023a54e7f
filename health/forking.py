"""Resetting state in a forked process, where locks, descriptors and random bits are still those of the parent.

uWSGI does not run Python's fork hooks (unless `py-call-osafterfork` is set), but has a hook of its own.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable

_functions: list[Callable[[], None]] = []


def run_after_fork(function: Callable[[], None]) -> Callable[[], None]:
    """Call the function in each forked child, right after the fork. It may be called twice for one fork.

    Returns the function, so that this works as a decorator.
    """
    _functions.append(function)
    return function


def _run_all() -> None:
    for function in _functions:
        function()


def _register_with_uwsgi() -> None:
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None:
        return
    try:
        # uwsgidecorators takes uWSGI's only hook for its list of functions.
        importlib.import_module("uwsgidecorators").postfork_chain.append(_run_all)
    except Exception:  # noqa: BLE001  (not installed, or a plain Exception: there is no master process)
        earlier = getattr(uwsgi, "post_fork_hook", None)  # another app's

        def hook() -> None:
            if earlier is not None:
                earlier()
            _run_all()

        uwsgi.post_fork_hook = hook  # type: ignore[attr-defined]  # a module without stubs


os.register_at_fork(after_in_child=_run_all)
_register_with_uwsgi()
