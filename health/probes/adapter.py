"""Running a check of the package django-health-check (4 or later) as a probe, for example those of Celery or Redis."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from django.utils.module_loading import import_string


class DjangoHealthCheck:
    """A check, named by the dotted path of its class. The other options are its parameters."""

    def __init__(self, check: str, **parameters: Any) -> None:
        self._class = import_string(check)
        self._parameters = parameters
        self._class(**parameters)  # so that wrong parameters are reported at start-up

    def __call__(self) -> str | None:
        """Run the check. A `ServiceWarning` is a warning, any other exception a failure."""
        check = self._class(**self._parameters)
        try:
            outcome = check.run()
            if inspect.isawaitable(outcome):
                asyncio.run(_wait_for(outcome))
        except Exception as error:
            if type(error).__name__ == "ServiceWarning":
                return str(error)
            raise
        return None


async def _wait_for(outcome: Any) -> None:
    await outcome
