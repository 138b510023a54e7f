"""Cells of CSV that no spreadsheet computes (CWE-1236; OWASP, "CSV Injection").

A spreadsheet may split a line at another delimiter than the comma, and then does not see our quotes: a formula is
also looked for behind a semicolon, a tab, a bar or a line break inside a cell. Not behind a comma: there the quotes
are seen. Each text is read once, whatever it holds.
"""

from __future__ import annotations

import re

_FORMULA = "=+\\-@＝＋－＠﹦﹢﹣﹫−"  # noqa: RUF001  (full-width, small and mathematical forms)
_BREAK = "\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029"
_DELIMITER = ";|"
_PASSED_OVER = '\\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"'
"""What a spreadsheet may drop at the beginning of a cell: white space, characters that are not seen, and quotes."""

_begins = re.compile(f"[{_BREAK}]|[{_PASSED_OVER}]*[{_FORMULA}]")
_inside = re.compile(f"([{_DELIMITER}{_BREAK}][{_DELIMITER}{_PASSED_OVER}]*)([{_FORMULA}])?")
_inside_json = re.compile(f"([{_DELIMITER}][{_DELIMITER}{_PASSED_OVER}]*)([{_FORMULA}])?")


def harmless(text: str | None) -> str | None:
    """The text with an apostrophe before each place at which a spreadsheet could see a formula begin."""
    if not text:
        return text
    guarded = _inside.sub(_with_apostrophe, text)
    return f"'{guarded}" if _begins.match(text) else guarded


def harmless_json(text: str) -> str:
    """The same JSON, in which a sign that could begin a formula is written as an escape; its values are unchanged.

    Delimiters occur in the strings of JSON alone, and line breaks are escaped there.
    """
    return _inside_json.sub(_with_escape, text)


def _with_apostrophe(match: re.Match[str]) -> str:
    before, sign = match.groups()
    return f"{before}'{sign}" if sign else before


def _with_escape(match: re.Match[str]) -> str:
    before, sign = match.groups()
    return f"{before}\\u{ord(sign):04x}" if sign else before
