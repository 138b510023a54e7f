"""Passes exceptions to the problem handler and formatter, which this module imports only when it calls them.

REST framework imports its negotiation class, and with it this package, before its own views exist, and the handler
imports those views. `SystemLogConfig.ready` imports the handler, so that the first error does not wait for it.
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

    from systemlog.problems.formatting.formatter import TranslatedProblem


def exception_handler(exc: BaseException, context: Mapping[str, Any]) -> HttpResponseBase | None:
    """Answer an exception of a view with a problem. The function that `EXCEPTION_HANDLER` names.

    `context` is the one that REST framework passes. The result is None only for an unexpected exception under
    `DEBUG_PROPAGATE_EXCEPTIONS`, which Django then raises.
    """
    return _handler().ProblemHandler(exc, context).run()  # type: ignore[no-any-return]  # a module has no types


def write_problem(exc: APIException, context: Mapping[str, Any]) -> TranslatedProblem:
    """Return the problem for `exc` without a response around it, for a response that exists already."""
    return _handler().ProblemFormatter(exc, context, exc).run()  # type: ignore[no-any-return]  # a module has no types


@functools.cache
def _handler() -> ModuleType:
    """Return the module of the handler. Cached, because an import statement in a function costs 1 µs at each call."""
    return importlib.import_module("systemlog.problems.formatting.handler")
