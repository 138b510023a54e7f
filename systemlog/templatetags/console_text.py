"""A template filter that makes the characters visible which change how a text looks, or hide in it."""

from __future__ import annotations

import re

from django import template

register = template.Library()

_hidden = re.compile(
    # Control characters but for tab and line feed, marks and overrides of direction, what has no width, half pairs.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
PICTURES = 0x2400
"""Unicode has a picture of each control character of ASCII from here on."""

DELETE = 0x7F


@register.filter
def visible(value: object) -> str:
    """Show an escape character as `␛`, and a mark of direction as `⟨U+202E⟩`. The rest of the text stays."""
    return _hidden.sub(_picture, "" if value is None else str(value))


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < ord(" "):
        return chr(PICTURES + code)
    return (
        "\N{SYMBOL FOR DELETE}"
        if code == DELETE
        else f"\N{MATHEMATICAL LEFT ANGLE BRACKET}U+{code:04X}\N{MATHEMATICAL RIGHT ANGLE BRACKET}"
    )
