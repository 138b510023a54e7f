"""The way into the engine, in a module that DRF can import while it is importing itself.

DRF imports its negotiation class, and so this package, before its views exist, and drf-standardized-errors imports
the views: the engine comes with the first error.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase
    from rest_framework.exceptions import APIException

    from systemlog.problems.formatting.formatter import Written


def exception_handler(exc: BaseException, context: Mapping[str, Any]) -> HttpResponseBase | None:
    """DRF's `EXCEPTION_HANDLER`: every exception of a view becomes a problem, DEBUG on or off."""
    return _engine().ProblemHandler(exc, context).run()  # type: ignore[no-any-return]  # the library is untyped


def write_problem(exc: APIException, context: Mapping[str, Any]) -> Written:
    """The problem alone, for a response that exists already."""
    return _engine().ProblemFormatter(exc, context, exc).run()  # type: ignore[no-any-return]  # the library is untyped


@functools.cache
def _engine() -> ModuleType:
    return importlib.import_module("systemlog.problems.formatting.formatter")
