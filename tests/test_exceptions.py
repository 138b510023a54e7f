"""One base class for what the package raises."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import systemlog
from systemlog import SystemLogError


def test_every_exception_of_the_package_is_a_systemlog_error() -> None:
    names = [found.name for found in pkgutil.walk_packages(systemlog.__path__, "systemlog.")]
    others = {
        f"{cls.__module__}.{name}"
        for module in map(importlib.import_module, names)
        for name, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__.startswith("systemlog.") and issubclass(cls, BaseException)
        if not issubclass(cls, SystemLogError)
    }
    assert others == set()
