"""How the context of a record is shown: as indented JSON, and its texts of several lines as they are."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

MAX_TEXTS = 20
"""As many texts are shown by themselves; all are in the JSON."""


class Text(NamedTuple):
    """A text of several lines, a traceback for example, and where in the context it stands."""

    path: str
    text: str


def as_json(context: Any) -> str:
    """The whole context, indented."""
    try:
        return _printable(json.dumps(context, indent=2, ensure_ascii=False))
    except RecursionError:
        return "This context is nested too deep to be shown."


def texts(context: Any) -> list[Text]:
    """The texts of several lines; `exception`, where tracebacks are, first."""
    found = []
    waiting = [("context", context)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend((f"{path}.{key}", member) for key, member in reversed(value.items()))
        elif isinstance(value, list):
            waiting.extend((f"{path}.{index}", each) for index, each in reversed(list(enumerate(value))))
        elif isinstance(value, str) and "\n" in value.strip():
            found.append(Text(_printable(path), _printable(value)))
    return sorted(found, key=lambda text: not text.path.startswith("context.exception"))[:MAX_TEXTS]


def _printable(text: str) -> str:
    """Half of a surrogate pair, which JSON can name and no page can hold, is written as JSON names it."""
    return text.encode("utf-8", "backslashreplace").decode()
