"""Parses the text of a Python traceback into frames. Text of any other kind is returned as lines.

The path of a frame shows whether it belongs to the project, to a package or to the standard library.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_FRAMES = 60
"""The most frames that are shown. Of a longer traceback, as of a recursion, the middle is left out."""

KEPT_AT_THE_START = 15
MAX_TEXT_CHARACTERS = 20_000
MARKS = " \t|+-~^"
"""A line of only these characters is skipped. It is blank, underlines code, or borders an exception group."""

_frame = re.compile(r'^[\s|+]*File "(?P<file>[^"]*)", line (?P<line>\d+)(?:, in (?P<function>.*))?$')
_package = re.compile(r"[\\/](?:site|dist)-packages[\\/](?P<rest>.+)$")
_standard_library = re.compile(
    r"[\\/]lib(?:64)?[\\/]python3[^\\/]*[\\/](?P<rest>.+)$|^<frozen |[\\/]Lib[\\/](?P<other>[^\\/]+\.py)$"
)
_heading = re.compile(r"^[\s|+]*(?:Exception Group )?Traceback \(most recent call last\):")
_link = re.compile(r"^[\s|]*(?:The above exception was|During handling of the above)")


class Frame(NamedTuple):
    """A frame of the traceback: a line of code, with its file and function."""

    file: str
    line: str
    function: str
    code: str
    own: bool
    """Whether the code belongs to the project, and not to a package or the standard library."""


class Line(NamedTuple):
    """A line between frames: an exception with its message, or a sentence that leads on to the next traceback."""

    text: str
    leads_on: bool


def read_traceback(text: str) -> list[Frame | Line]:
    """Return the frames and the other lines of a traceback, in order."""
    found: list[Frame | Line] = []
    for text_line in text[:MAX_TEXT_CHARACTERS].splitlines():
        if match := _frame.match(text_line):
            path = match["file"]
            package = _package.search(path) or _standard_library.search(path)
            shown = next(filter(None, package.groups()), path) if package else path
            found.append(Frame(shown, match["line"], match["function"] or "", "", package is None))
        elif not text_line.strip(MARKS) or _heading.match(text_line):
            continue
        elif found and isinstance(last := found[-1], Frame) and not last.code and text_line.lstrip(" |") != text_line:
            found[-1] = last._replace(code=text_line.strip(" |"))
        else:
            found.append(Line(text_line, bool(_link.match(text_line))))
    return _cut(found)


def _cut(found: list[Frame | Line]) -> list[Frame | Line]:
    left_out = len(found) - MAX_FRAMES
    if left_out <= 0:
        return found
    tail = found[KEPT_AT_THE_START + left_out :]
    return [*found[:KEPT_AT_THE_START], Line(f"… {left_out} lines are left out …", leads_on=True), *tail]
