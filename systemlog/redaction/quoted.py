"""Finds the end of a value in quotes or brackets, which JSON, HTML or a URL may have escaped any number of times."""

from __future__ import annotations

import re

_TOKEN = re.compile(rb"\\*[\"'`\r\n]|[\[\](){}]")
_ENTITY = re.compile(rb"&(?:amp;)?(?:quot|apos|#34|#39|#x22|#x27);|%(?:25)*2[27]|[\r\n]")


def end_of_quoted(data: bytes, begin: int, quote: bytes, depth: int) -> int:
    """Return the end of a quoted text: the position of the closing quote, or of the line's end if there is none.

    The opening quote follows `depth` backslashes. So does the closing quote, and before them may be any number of
    escaped backslashes, which have 2 * (depth + 1) characters each.
    """
    for token in _TOKEN.finditer(data, begin):
        last = token.end() - 1
        backslashes = last - token.start()
        if data[last : last + 1] == quote:
            if backslashes % (2 * (depth + 1)) == depth:
                return last - depth
        elif data[last] in b"\r\n":
            return last
    return len(data)


def end_of_escaped(data: bytes, begin: int, quote: bytes) -> int:
    """Return the end of a text that `&quot;` or `%22` opened."""
    for token in _ENTITY.finditer(data, begin):
        if token[0] == quote or token[0] in b"\r\n":
            return token.start()
    return len(data)


def end_of_bracketed(data: bytes, begin: int) -> int:
    """Return the position after the bracket that closes the one before `begin`; the end of the data if there is none.

    Brackets in quotes are ignored.
    """
    depth = 1
    position = begin
    while token := _TOKEN.search(data, position):
        position = token.end()
        byte = data[position - 1]
        if byte in b"\"'":
            backslashes = position - 1 - token.start()
            position = min(
                end_of_quoted(data, position, data[position - 1 : position], backslashes) + backslashes + 1,
                len(data),
            )
        elif byte in b"[({":
            depth += 1
        elif byte in b"])}":
            depth -= 1
            if depth == 0:
                return position
    return len(data)
