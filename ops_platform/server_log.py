"""The log of gunicorn itself.

It is a module apart from `ops_platform.logs`, because the settings must not import gunicorn: gunicorn reads
WEB_CONCURRENCY at import, and a bad value would cause a traceback before any check runs.
"""

from __future__ import annotations

import logging.config
from typing import Any

from gunicorn.config import Config
from gunicorn.glogging import Logger

from ops_platform import environment, logs
from ops_platform.compat import log_through_root


class ServerLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Writes gunicorn's messages in the same format and stream as all others, and no access log."""

    def exception(self, msg: str, *args: object, **kwargs: Any) -> None:
        """Log an error without the query string, which gunicorn would include."""
        told = [each.partition("?")[0] if isinstance(each, str) else each for each in args]
        super().exception(msg, *told, **kwargs)

    def setup(self, cfg: Config) -> None:
        """Configure logging in the master process, as Django does in the workers."""
        variables, _ = environment.load()
        logging.config.dictConfig(
            logs.configuration(level=variables.LOG_LEVEL, debug=variables.DEBUG, form=variables.LOG_FORMAT)
        )
        log_through_root(self, cfg)
