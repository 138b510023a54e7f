"""A traceback as data, and the rules that are the same for all languages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

MAX_FRAMES = 12
"""The number of innermost frames that count. Where an error came from matters more than which code called it."""

_separators = re.compile(r"[/\\]+")


class Frame(NamedTuple):
    """A call: the place in the code, and whether the code is the project's own."""

    place: str
    own: bool


class Trace(NamedTuple):
    """An exception: its type, the places that count, and its text.

    `places` begins with the innermost call.
    """

    type: str
    places: tuple[str, ...]
    value: str = ""


def places_of(innermost_first: Iterable[Frame]) -> tuple[str, ...]:
    """Return the places of the project's own frames, each once. Without own frames, return the innermost place."""
    frames = list(innermost_first)
    own = dict.fromkeys(frame.place for frame in frames if frame.own)
    return tuple(list(own)[:MAX_FRAMES]) or tuple(frame.place for frame in frames[:1])


def place(path: str, function: str) -> str:
    """Return a place such as `shop/views.py:checkout`: the folder, the file name and the function."""
    return f"{'/'.join(_separators.split(path)[-2:])}:{function}"
