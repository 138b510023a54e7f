"""Rules of the filters, for parameters of the URL and for typed text alike: values, times and limits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from systemlog.models import Level
from systemlog.records.durations import parse_duration
from systemlog.records.levels import parse_level
from systemlog.records.times import parse_timestamp
from systemlog.search.parsing.query import CONTEXT_PREFIX
from systemlog.storage.calendar import BEGINNING

MAX_CONTEXT_DOTS = 5
"""Each dot doubles the number of paths to look for, because it goes a level deeper or is part of a key."""

MAX_CONTEXT_FILTERS = 5
MAX_VALUES = 100
"""The values that one parameter, or one field of the typed text, may have."""

MAX_TERMS = 20
MAX_TERM_CHARACTERS = 1000
MAX_TYPED_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that filters on a column.

    `takes_level` is true where its values are names of levels. With `excludes`, the parameter `<name>!` excludes.
    """

    description: str
    repeatable: bool = False
    takes_level: bool = False
    excludes: bool = False


PARAMETERS = {
    "level": Parameter("Of one of these levels, in any case; repeatable.", True, takes_level=True, excludes=True),
    "min_level": Parameter("Of this level or a graver one.", takes_level=True),
    "category": Parameter(
        "Of one of these categories; `audit.*` is all that begin so; repeatable.", True, excludes=True
    ),
    "correlation_id": Parameter("Of one request."),
    "user_id": Parameter("Of one user.", excludes=True),
    "trace_id": Parameter("Of one trace."),
    "source": Parameter("Of one service or host.", excludes=True),
    "subject": Parameter("About one thing: `app_label.model:pk`.", excludes=True),
    "group": Parameter("Of one error group.", excludes=True),
    "q": Parameter("Every term is in the message, as a substring, in any case; at most 20 terms."),
    "query": Parameter(
        'Typed text: `level:error -category:x "a phrase" context.order:7 since:-1h`. An error has the `column` and the '
        "`length` of the mistake."
    ),
}
"""The filters by their names; errors and the OpenAPI document list them in this order."""

TEXTS = ("q", "query")
"""The filters that are no column, and may be empty."""

EXCLUDING = "!"
"""The end of the name of a parameter that excludes: `level!=debug` is the parameter `level!` with the value `debug`."""

NOT_A_LEVEL = f"This must be one of {', '.join(Level.values)}."
EMPTY = "This must not be empty."
NUL = "This has a NUL character or a lone surrogate."
NOT_A_TIME = "This must be a date and time as RFC 3339 has them (2026-11-24T08:30:00Z), or relative (-15m, -7d)."
AFTER_UNTIL = "This lies after `until`."
ONCE = "This may be given once."
TOO_MANY_TERMS = f"There may be at most {MAX_TERMS} terms of at most {MAX_TERM_CHARACTERS} characters."
TOO_MANY_VALUES = f"There may be at most {MAX_VALUES} values."
TOO_MANY_PATHS = f"There may be at most {MAX_CONTEXT_FILTERS} of these."
NOT_A_PATH = f"The key must not be empty, and have at most {MAX_CONTEXT_DOTS} dots."

_lost_plus = re.compile(r" (\d{2}:\d{2})$", re.ASCII)


def read_time(text: str, now: datetime) -> datetime | None:
    """Return the instant that a text names, as RFC 3339 or relative to `now`; None for any other text.

    A space before the offset is read as the `+` that a client did not escape in its URL.
    """
    if text.startswith("-"):
        try:
            return now - parse_duration(text[1:])
        except OverflowError:
            return BEGINNING
        except ValueError:
            return None
    return parse_timestamp(_lost_plus.sub(r"+\1", text))


def value_error(field: str, value: str) -> str | None:
    """Return what is wrong with the value of a filter; None if nothing is."""
    if field in PARAMETERS and PARAMETERS[field].takes_level:
        return NOT_A_LEVEL if parse_level(value) is None else None
    return None if value or field.startswith(CONTEXT_PREFIX) or field in TEXTS else EMPTY


def path_error(field: str) -> str | None:
    """Return what is wrong with a name that begins with `context.`; None if nothing is."""
    path = field.removeprefix(CONTEXT_PREFIX)
    return NOT_A_PATH if not path or path.count(".") > MAX_CONTEXT_DOTS else None


def excludes(field: str) -> bool:
    """Whether records can be excluded by the value of this field."""
    return field.startswith(CONTEXT_PREFIX) or (field in PARAMETERS and PARAMETERS[field].excludes)
