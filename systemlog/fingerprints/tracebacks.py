"""Parsing a traceback of any supported language: this module detects the language."""

from __future__ import annotations

import re

from systemlog.fingerprints import dotnet, golang, java, javascript, python
from systemlog.fingerprints.traces import Trace

MAX_CHARACTERS = 65_536
MAX_LINE = 1000
"""Longer lines are cut. A line of this length is the value of an exception, not a call."""

_at = re.compile(r"\s+(?:at|bei|à|en|in|в) ")
_type = re.compile(r"[A-Za-z_][\w.$\\]*(?=:|$)")


def parse(text: str) -> Trace:
    """Return the last exception of the chain in a text. A text without frames yields a trace without places."""
    text = text[:MAX_CHARACTERS].replace("\r\n", "\n")
    if python.is_python(text):
        return python.parse(text)
    if ".go:" in text and golang.is_go(text):
        return golang.parse(text)
    text = "\n".join([line[:MAX_LINE] for line in text.split("\n")])
    for line in text.split("\n"):
        if java.is_frame(line):
            return java.parse(text)
        if javascript.is_frame(line):
            return javascript.parse(text)
        if dotnet.is_frame(line):
            return dotnet.parse(text)
    first = text.strip().split("\n", 1)[0]
    match = _type.match(first)
    value = first[match.end() :].removeprefix(": ") if match else first
    return Trace(match[0] if match else "", (), value)


def find(message: str) -> Trace | None:
    """Return the last exception of the chain in a message that has a traceback after its own words, or None.

    Programs whose output is collected line by line, or in blocks of lines, have no other place for a traceback.
    """
    if "\n" not in message:
        return None
    text = message[:MAX_CHARACTERS].replace("\r\n", "\n")
    if python.is_python(text) or (".go:" in text and golang.is_go(text)):
        return parse(text)
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if _at.match(line) and any(each.is_frame(line[:MAX_LINE]) for each in (java, javascript, dotnet)):
            start = max(0, number - 1)
            while start and dotnet.INNER.match(lines[start]):
                start -= 1
            return parse("\n".join(lines[start:]))
    return None
