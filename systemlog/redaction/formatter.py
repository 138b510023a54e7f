"""A log formatter that redacts, for handlers that write to stdout or into files, where secrets would be kept too."""

from __future__ import annotations

import copy
import logging
from typing import Any

from django.utils.module_loading import import_string

from systemlog.redaction.redactor import redact_text, redact_value

NAMES_OF_LOGGING = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class RedactingFormatter(logging.Formatter):
    """Formats records with another formatter, and replaces each secret in the result.

    `formatter` is a formatter, or the dotted path of a class (default: `logging.Formatter`). The class is called with
    all other arguments of the constructor:
    `{"()": "systemlog.redaction.RedactingFormatter", "formatter": "pythonjsonlogger.json.JsonFormatter", …}`

    Raises TypeError if the result of that call is not a log formatter.
    """

    def __init__(self, *args: Any, formatter: str | logging.Formatter = "logging.Formatter", **kwargs: Any) -> None:
        super().__init__()
        self._formatter = formatter if isinstance(formatter, logging.Formatter) else _made(formatter, args, kwargs)

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of the other formatter, redacted."""
        return redact_text(self._formatter.format(redact_record(record)))


def redact_record(record: logging.LogRecord) -> logging.LogRecord:
    """Return a copy of the record in which the values of sensitive keys are replaced; the record itself if it has none.

    This must happen before the record is formatted: in the text of `%(password)s`, the value no longer has a key.
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
    except Exception:  # noqa: BLE001  (a container of other code; its text is redacted in any case)
        return record
    if not changed:
        return record
    other = copy.copy(record)
    other.__dict__.update(changed)
    if "args" in changed:
        try:
            other.getMessage()
        except Exception:  # noqa: BLE001  (`%d` of a replaced number, or a `__str__` of other code)
            other.args = None
    return other


def _made(path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> logging.Formatter:
    made = import_string(path)(*args, **kwargs)
    if not isinstance(made, logging.Formatter):
        raise TypeError(f"{path} is no log formatter. Name a subclass of logging.Formatter in `formatter`.")
    return made
