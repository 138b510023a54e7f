"""The template of a message: what stays when the values in it change."""

from __future__ import annotations

import re

MAX_CHARACTERS = 4096
"""The beginning of a message tells what it is about."""

# A word with a digit in it: a number, an address, an id, a path, or a name with a number in brackets: `LOCAL(0)`. Each
# quantifier is possessive and a word is tried at its beginning alone, so that the time is linear.
_START = r"(?<![\w.:/@#$%&+~-])"
_LETTERS = r"[^\W0-9]|[.:/@#$%&+~-]"
_REST = r"[\w.:/@#$%&+~-]*+"
_word = re.compile(rf"{_START}(?:(?:{_LETTERS})*+[0-9]{_REST}|(?:{_LETTERS})++\([^\s()=0-9]*+[0-9][^\s()]*+\){_REST})")
_value = re.compile(r"""(?<=\w)=(?:"[^"]*+"|'[^']*+'|\S++)""")
_run = re.compile(r"\*(?:[\s,;:]*+\*)+")


def mask(message: str) -> str:
    """Return the message with `*` in place of each word that has a digit, and of what follows `key=`."""
    return _run.sub("*", _value.sub("=*", _word.sub("*", message[:MAX_CHARACTERS])))
