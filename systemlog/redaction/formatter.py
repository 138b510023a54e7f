"""A log formatter that redacts, for the handlers beside ours: what goes to stdout or into a file is kept as well."""

from __future__ import annotations

import copy
import logging
from typing import Any

from django.utils.module_loading import import_string

from systemlog.redaction.redactor import redact_text, redact_value

NAMES_OF_LOGGING = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class RedactingFormatter(logging.Formatter):
    """Formats records as another formatter does, and replaces each secret in what that one makes of them.

    `formatter` is the dotted path of the other's class (by default logging's own), which gets all other arguments:
    `{"()": "systemlog.redaction.RedactingFormatter", "formatter": "pythonjsonlogger.json.JsonFormatter", …}`
    """

    def __init__(self, *args: Any, formatter: str | logging.Formatter = "logging.Formatter", **kwargs: Any) -> None:
        super().__init__()
        self._formatter = formatter if isinstance(formatter, logging.Formatter) else _made(formatter, args, kwargs)

    def format(self, record: logging.LogRecord) -> str:
        """The other's text of the record, redacted."""
        return redact_text(self._formatter.format(redact_record(record)))


def redact_record(record: logging.LogRecord) -> logging.LogRecord:
    """A copy of the record with each secret that a key tells replaced; the record itself if there is none.

    In a text that is made of such a value (`%(password)s`), nothing would tell.
    """
    known = record.__dict__
    changed: dict[str, Any] = {}
    try:
        extras: Any = {name: value for name, value in known.items() if name not in NAMES_OF_LOGGING}
        if extras and (redacted := redact_value(extras)) is not extras:
            changed |= redacted  # type: ignore[arg-type]  # a dictionary, as it was
        for name in ("msg", "args"):
            value = known.get(name)
            if isinstance(value, dict) and (redacted := redact_value(value)) is not value:
                changed[name] = redacted
    except Exception:  # noqa: BLE001  (anybody's containers; what they are as text is redacted in any case)
        return record
    if not changed:
        return record
    other = copy.copy(record)
    other.__dict__.update(changed)
    if "args" in changed:
        try:
            other.getMessage()
        except Exception:  # noqa: BLE001  (a number was asked for, or anybody's __str__)
            other.args = None
    return other


def _made(path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> logging.Formatter:
    made = import_string(path)(*args, **kwargs)
    if not isinstance(made, logging.Formatter):
        raise TypeError(f"{path} is no log formatter.")
    return made
