"""Lets the correlation travel with Celery tasks, and their records reach the project's handlers.

Call `connect()` once, beside the Celery application.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import Any

from celery import signals

from systemlog.correlation.outgoing import correlated_by, outgoing_message

HEADER = "systemlog_correlation"
"""The message header with what a task brings along."""


def connect() -> None:
    """Let tasks take along the correlation that they were sent from; one without any runs with a new one.

    A worker logs as `LOGGING` says: its options `--loglevel` and `--logfile` count only where the root logger has no
    handler.
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
    # An eager task runs inside the code that sends it, and is never published.
    brought = task.request.get(HEADER) or (outgoing_message() if task.request.is_eager else None)
    task.request.correlation = ExitStack()
    task.request.correlation.enter_context(correlated_by(brought))


def _leave(task: Any, **_: object) -> None:
    task.request.correlation.close()


def _keep_logging(loglevel: int, logfile: str | None, format: str, **_: object) -> None:  # noqa: A002  (Celery's name)
    # That somebody receives `setup_logging` is what keeps a worker from removing the root logger's handlers, and from
    # keeping its task loggers away from them. Where there are none, the lines still go where the worker would write.
    logging.basicConfig(level=loglevel, filename=logfile, format=format)
