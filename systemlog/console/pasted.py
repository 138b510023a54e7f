"""Recognizes what was pasted into the search: a correlation id, a trace id, or the whole body of a problem.

A customer who reports an error sends its id or body; pasting that opens the story of the request.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlencode

from systemlog.console.story.reading import count_records
from systemlog.records.fields import unstorable
from systemlog.search.parsing.rules import MAX_TERM_CHARACTERS
from systemlog.storage import BudgetSpent
from systemlog.storage.lookups import By

COUNTED_RECORDS = 1000
MAX_BODY_CHARACTERS = 100_000

_word = re.compile(r"""[^\s:"'{}-][^\s:"'{}]*""")
_in_body = re.compile(r'"correlation_id"\s*:\s*"((?:[^"\\]|\\.)*)"')
_looks_minted = re.compile(r"(?=.*[0-9])[0-9A-Za-z._=+/-]{16,}")


class Story(NamedTuple):
    """The story of a pasted id or problem body."""

    by: By
    value: str
    records: int
    exact: bool
    """Whether the number of records is exact, and not a lower bound."""

    certain: bool
    """Whether the text is certainly no search: a problem body, or an id that nobody would search for as a word."""

    @property
    def query(self) -> str:
        """The query string of the story's page."""
        return urlencode({self.by.value: self.value})


def find_story(text: str, *, only_certain: bool = False) -> Story | None:
    """Return the story of a pasted text, or None if the text is something else or no record has its id.

    With `only_certain`, a text that may also be a word to search for is not looked up.
    """
    text = text.strip()
    if not text or len(text) > MAX_BODY_CHARACTERS:
        return None
    value, certain = _id_in_body(text), True
    if value is None and _word.fullmatch(text):
        value, certain = text, bool(_looks_minted.fullmatch(text))
    if not value or (only_certain and not certain) or len(value) > MAX_TERM_CHARACTERS or unstorable.search(value):
        return None
    with suppress(BudgetSpent):
        for by in (By.CORRELATION_ID, By.TRACE_ID):
            if number := count_records(by, value, COUNTED_RECORDS + 1):
                return Story(by, value, min(number, COUNTED_RECORDS), number <= COUNTED_RECORDS, certain)
    return None


def _id_in_body(text: str) -> str | None:
    """Return the `correlation_id` of a problem body, also if other text was pasted with it."""
    body: Any = None
    with suppress(ValueError, RecursionError):
        body = json.loads(text)
    if isinstance(body, dict):
        value = body.get("correlation_id")
        return value if isinstance(value, str) else None
    match = _in_body.search(text)
    if match is None:
        return None
    with suppress(ValueError):
        return str(json.loads(f'"{match[1]}"'))
    return None
