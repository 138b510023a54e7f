"""Sends the correlation along with Celery tasks, and sends the workers' log records to the project's handlers.

Call `connect()` once, in the module of the Celery application.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import Any

from celery import signals

from systemlog.correlation.outgoing import correlated_by, outgoing_message

HEADER = "systemlog_correlation"
"""The message header that holds the sender's correlation."""


def connect() -> None:
    """Run each task with the correlation of the code that sent it, or with a new one if there was none.

    Workers then log as the project's `LOGGING` says. Their options `--loglevel` and `--logfile` have an effect only if
    the root logger has no handler.
    """
    for signal, receiver in (
        (signals.before_task_publish, _pack),
        (signals.task_prerun, _enter),
        (signals.task_postrun, _leave),
        (signals.setup_logging, _keep_logging),
    ):
        signal.connect(receiver, weak=False, dispatch_uid=f"systemlog.correlation.{receiver.__name__}")


def _pack(headers: dict[str, Any] | None = None, **_: object) -> None:
    message = outgoing_message()
    if headers is not None and message:
        headers.setdefault(HEADER, message)


def _enter(task: Any, **_: object) -> None:
    # An eager task runs inside the code that sends it, and has no message.
    message = task.request.get(HEADER) or (outgoing_message() if task.request.is_eager else None)
    task.request.correlation = ExitStack()
    task.request.correlation.enter_context(correlated_by(message))


def _leave(task: Any, **_: object) -> None:
    task.request.correlation.close()


def _keep_logging(loglevel: int, logfile: str | None, format: str, **_: object) -> None:  # noqa: A002  (Celery's name)
    # If `setup_logging` has a receiver, a worker does not remove the root logger's handlers, and its task loggers
    # propagate to them. `basicConfig` has an effect only without such handlers; then lines go where the worker writes.
    logging.basicConfig(level=loglevel, filename=logfile, format=format)
