"""Runs a check of the package django-health-check (4 or later) as a probe: those for Celery, Redis or RabbitMQ, say."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from django.utils.module_loading import import_string


class DjangoHealthCheck:
    """One check, by the dotted path of its class, with its parameters as options."""

    def __init__(self, check: str, **parameters: Any) -> None:
        self._class = import_string(check)
        self._parameters = parameters
        self._class(**parameters)  # wrong parameters are named at start-up

    def __call__(self) -> str | None:
        """Run it: its warnings are warnings, whatever else it raises is a failure."""
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
