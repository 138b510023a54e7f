"""The template of a message: the message with `*` in place of values."""

from __future__ import annotations

import re

MAX_CHARACTERS = 4096
"""Only this many characters are masked and compared: the beginning of a message is enough to identify it."""

# A word with a digit: a number, an address, an id, a path, or a name with a number in brackets such as `LOCAL(0)`.
# Every quantifier is possessive and a match starts only at the beginning of a word, so the time is linear.
_START = r"(?<![\w.:/@#$%&+~-])"
_LETTERS = r"[^\W0-9]|[.:/@#$%&+~-]"
_REST = r"[\w.:/@#$%&+~-]*+"
_word = re.compile(rf"{_START}(?:(?:{_LETTERS})*+[0-9]{_REST}|(?:{_LETTERS})++\([^\s()=0-9]*+[0-9][^\s()]*+\){_REST})")
_value = re.compile(r"""(?<=\w)=(?:"[^"]*+"|'[^']*+'|\S++)""")
_run = re.compile(r"\*(?:[\s,;:]*+\*)+")


def mask(message: str) -> str:
    """Return the message with `*` in place of each word with a digit and of each value after `key=`."""
    return _run.sub("*", _value.sub("=*", _word.sub("*", message[:MAX_CHARACTERS])))
