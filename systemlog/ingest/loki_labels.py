"""Reading the labels of a stream from one text, `{app="shop", path="C:\\\\x"}`. Values are quoted as in Go."""

from __future__ import annotations

import json
import re

from systemlog.ingest.streams import BodyBroken

_label = re.compile(r'[\s,]*([A-Za-z_][A-Za-z0-9_.:/-]*)\s*=\s*("(?:[^"\\]++|\\.)*+"|`[^`]*+`)\s*', re.DOTALL)
_escaped = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)
_letters = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def read_labels(text: str) -> dict[str, str]:
    """Return the labels by name. Raises `BodyBroken`."""
    stripped = text.strip()
    if not (stripped.startswith("{") and stripped.endswith("}")):
        raise BodyBroken("The labels of a stream are not in braces.")
    inner = stripped[1:-1]
    labels: dict[str, str] = {}
    at = 0
    while match := _label.match(inner, at):
        if at and inner[at] != ",":
            break
        labels[match[1]] = _unquoted(match[2])
        at = match.end()
    if inner[at:].strip(" \t\r\n,"):
        raise BodyBroken("The labels of a stream cannot be read.")
    return labels


def _unquoted(quoted: str) -> str:
    if quoted[0] == "`" or "\\" not in quoted:
        return quoted[1:-1]
    try:
        return str(json.loads(quoted))
    except ValueError:
        return _escaped.sub(_character, quoted[1:-1])


def _character(match: re.Match[str]) -> str:
    escape = match[1]
    if escape[0] in "xuU" and len(escape) > 1:
        number = int(escape[1:], 16)
        return chr(number) if number <= 0x10FFFF else "\ufffd"
    if len(escape) == 3:
        return chr(int(escape, 8))
    return _letters.get(escape, escape)
