"""The context of a record for display: as indented JSON, and its multi-line texts, such as tracebacks, separately."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

MAX_TEXTS = 20
"""The most multi-line texts that are shown separately. The JSON has all of them."""


class Text(NamedTuple):
    """A multi-line text, for example a traceback, and its path in the context."""

    path: str
    text: str


def as_json(context: Any) -> str:
    """Return the whole context as indented JSON."""
    try:
        return _printable(json.dumps(context, indent=2, ensure_ascii=False))
    except RecursionError:
        return "This context is nested too deep to be shown."


def texts(context: Any) -> list[Text]:
    """Return the multi-line texts of a context. Those under `exception`, which has the tracebacks, come first."""
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
    """Return the text with each lone surrogate escaped as in JSON, because UTF-8 cannot encode one."""
    return text.encode("utf-8", "backslashreplace").decode()
