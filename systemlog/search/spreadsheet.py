"""CSV cells that no spreadsheet computes as a formula (CWE-1236; OWASP, "CSV Injection").

A spreadsheet may split a line at another delimiter than the comma, and then ignores the quotes around a cell. A formula
could therefore also begin after a semicolon, a tab, a bar or a line break inside a cell. After a comma it could not,
because a spreadsheet that splits at commas respects the quotes. Each text is scanned once, in linear time.
"""

from __future__ import annotations

import re

_FORMULA = "=+\\-@＝＋－＠﹦﹢﹣﹫−"  # noqa: RUF001  (full-width, small and mathematical forms)
_BREAK = "\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029"
_DELIMITER = ";|"
_PASSED_OVER = '\\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"'
"""Characters that a spreadsheet may drop at the beginning of a cell: white space, invisible characters and quotes."""

_begins = re.compile(f"[{_BREAK}]|[{_PASSED_OVER}]*[{_FORMULA}]")
_inside = re.compile(f"([{_DELIMITER}{_BREAK}][{_DELIMITER}{_PASSED_OVER}]*)([{_FORMULA}])?")
_inside_json = re.compile(f"([{_DELIMITER}][{_DELIMITER}{_PASSED_OVER}]*)([{_FORMULA}])?")


def harmless(text: str | None) -> str | None:
    """Return the text with an apostrophe at each place where a spreadsheet could see the beginning of a formula."""
    if not text:
        return text
    guarded = _inside.sub(_with_apostrophe, text)
    return f"'{guarded}" if _begins.match(text) else guarded


def harmless_json(text: str) -> str:
    """Return the same JSON with each sign that could begin a formula written as an escape; its values do not change.

    In JSON the delimiters occur only inside strings, and line breaks are escaped there.
    """
    return _inside_json.sub(_with_escape, text)


def _with_apostrophe(match: re.Match[str]) -> str:
    before, sign = match.groups()
    return f"{before}'{sign}" if sign else before


def _with_escape(match: re.Match[str]) -> str:
    before, sign = match.groups()
    return f"{before}\\u{ord(sign):04x}" if sign else before
