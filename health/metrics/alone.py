"""A warning for servers with several processes that do not share their metrics."""

from __future__ import annotations

import functools
import logging
import multiprocessing

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

from health.metrics.multiprocess import DIRECTORY, shared_directory

logger = logging.getLogger("health.metrics")


def warn_if_alone(request: HttpRequest) -> None:
    """Log a warning, once in a process, if its metrics are not shared although the server has other processes."""
    if shared_directory() is None and has_siblings(request):
        _warn()


def has_siblings(request: HttpRequest) -> bool:
    """Return whether the server has other processes that answer requests.

    A WSGI server declares it (PEP 3333). ASGI does not; uvicorn starts several processes with `multiprocessing`.
    """
    if isinstance(request, WSGIRequest):
        return bool(request.environ.get("wsgi.multiprocess"))
    return multiprocessing.parent_process() is not None


@functools.cache
def _warn() -> None:
    logger.warning(
        "The metrics are those of one process, and this server has several: each scrape gives the numbers of another. "
        "Call health.gunicorn.share() in gunicorn's configuration file, or set %s in the server's environment.",
        DIRECTORY,
        extra={"action": "health.metrics_not_shared"},
    )
