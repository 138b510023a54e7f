"""A traceback as data, and the rules that all languages share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

MAX_FRAMES = 12
"""Frames that count, the innermost ones. What called them matters less than where the error came from."""

_separators = re.compile(r"[/\\]+")


class Frame(NamedTuple):
    """A call: the place in the project, and whether the code is the project's own."""

    place: str
    own: bool


class Trace(NamedTuple):
    """The type of an exception, the places that count, and the text of the exception.

    `places` begins with the innermost call.
    """

    type: str
    places: tuple[str, ...]
    value: str = ""


def places_of(innermost_first: Iterable[Frame]) -> tuple[str, ...]:
    """Return the places of the project's own frames, each once, or that of the innermost frame if none is its own."""
    frames = list(innermost_first)
    own = dict.fromkeys(frame.place for frame in frames if frame.own)
    return tuple(list(own)[:MAX_FRAMES]) or tuple(frame.place for frame in frames[:1])


def place(path: str, function: str) -> str:
    """Return a file, as its name and the folder that it is in, with a function of it."""
    return f"{'/'.join(_separators.split(path)[-2:])}:{function}"
