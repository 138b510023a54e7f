"""gunicorn's own log; apart from `ops_platform.logs`, for the settings must not import gunicorn.

gunicorn reads WEB_CONCURRENCY when it is imported, and a bad value ends that in a traceback before any check runs.
"""

from __future__ import annotations

import logging
import logging.config
from typing import Any

from gunicorn.config import Config
from gunicorn.glogging import Logger

from ops_platform import environment, logs


class ServerLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's own messages, in the same form and on the same stream as all others; no access log of its own."""

    def exception(self, msg: str, *args: object, **kwargs: Any) -> None:
        """Log an error without the query string of the target, which gunicorn names in full."""
        told = [each.partition("?")[0] if isinstance(each, str) else each for each in args]
        super().exception(msg, *told, **kwargs)

    def setup(self, cfg: Config) -> None:
        """Configure logging in the master process, as Django does in the workers."""
        self.cfg = cfg
        variables, _ = environment.load()
        logging.config.dictConfig(logs.configuration(level=variables.LOG_LEVEL, debug=variables.DEBUG))
        self.loglevel = logging.INFO
        self.error_log.setLevel(self.loglevel)
        self.error_log.propagate = True
        self._access_log_enabled = False
