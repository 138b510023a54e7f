"""Warns of requests for a host that is missing in ALLOWED_HOSTS, the most common mistake of a deployment."""

from __future__ import annotations

import fcntl
import logging
import os
import re
from contextlib import suppress
from pathlib import Path
from time import monotonic, time

from django.http import HttpRequest

from systemlog.problems.response import correlation_id_of

logger = logging.getLogger("django.request")

_host = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
"""Matches a host that may belong into ALLOWED_HOSTS. Any other Host header is an attack or a mistake of the client."""


class WrongHosts:
    """Warns of a request for a host that is not allowed, at most once a minute, because anyone can send such requests.

    The workers of a project share that minute if it sets `file`: its modification time is that of the last warning.
    """

    PAUSE_S = 60

    def __init__(self) -> None:
        self.file: Path | None = None
        self._silent_until = 0.0

    def warn(self, request: HttpRequest) -> None:
        """Log a warning with the host of this request, unless the last warning is recent or the host is malformed."""
        now = monotonic()
        host = str(request.META.get("HTTP_HOST", request.META.get("SERVER_NAME", "")))
        if now < self._silent_until or not _host.fullmatch(host):
            return
        self._silent_until = now + self.PAUSE_S
        if self._another_has_warned():
            return
        logger.warning(
            "A request for the host %r was refused. If clients shall use that name, add it to ALLOWED_HOSTS.",
            host,
            extra={"action": "problem.wrong_host", "correlation_id": correlation_id_of(request)},
        )

    def _another_has_warned(self) -> bool:
        if self.file is None:
            return False
        with suppress(OSError):  # for example on a full disk: then each worker warns on its own
            descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                status = os.fstat(descriptor)
                if status.st_size and time() - status.st_mtime < self.PAUSE_S:
                    return True
                os.pwrite(descriptor, b".", 0)
                os.utime(descriptor)
            finally:
                os.close(descriptor)
        return False


wrong_hosts = WrongHosts()
"""The warnings of this process."""
