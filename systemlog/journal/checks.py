"""System checks of LOGGING: they warn if errors would never reach the system log."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from logging.handlers import QueueHandler

from django.apps.config import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Tags, register

from systemlog import compat
from systemlog.journal.handler import SystemLogHandler

HANDLER = "systemlog.journal.SystemLogHandler"
ERRORS = "django.request"
"""The logger of every 5xx response, of Django's and of this package's."""


@register(Tags.compatibility)
def check_handlers(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.W040: a logger has a `SystemLogHandler`. systemlog.W041: the records of a 5xx reach such a handler."""
    if not any(_is_ours(handler) for logger in compat.existing_loggers() for handler in logger.handlers):
        return [
            checks.Warning(
                "No logger has a handler that takes its records into the system log.",
                hint=f"Give the root logger of LOGGING a handler of the class {HANDLER!r}.",
                id="systemlog.W040",
            )
        ]
    why = _why_not_recorded(logging.getLogger(ERRORS))
    if why is None:
        return []
    return [
        checks.Warning(
            f"Server errors (5xx) are not recorded: {why}.",
            hint=f"In LOGGING, give the logger {ERRORS!r} the handler of the class {HANDLER!r} too, or let its records "
            "reach the root logger's.",
            id="systemlog.W041",
        )
    ]


def _why_not_recorded(logger: logging.Logger) -> str | None:
    """Return why no `SystemLogHandler` gets the errors of this logger; None where one does."""
    if logger.disabled:
        return f"the logger {logger.name!r} is disabled ('disable_existing_loggers' does that)"
    if logger.getEffectiveLevel() > logging.ERROR:
        return f"the level of the logger {logger.name!r} is above ERROR"
    above = list(_up(logger))
    handlers = [handler for each in above for handler in each.handlers if _is_ours(handler)]
    if not handlers:
        last = above[-1]
        return f"the logger {last.name!r} has no handler of ours, and does not propagate"
    if all(handler.level > logging.ERROR for handler in handlers):
        return f"the level of the handler {HANDLER!r} is above ERROR"
    return None


def _up(logger: logging.Logger | None) -> Iterator[logging.Logger]:
    """The logger, and those above it whose handlers get its records."""
    while logger is not None:
        yield logger
        logger = logger.parent if logger.propagate else None


def _is_ours(handler: logging.Handler) -> bool:
    # Before Python 3.12 the handler behind a queue cannot be seen, and the handler may be in another process.
    return isinstance(handler, SystemLogHandler | QueueHandler) or isinstance(
        getattr(handler, "target", None), SystemLogHandler
    )
