"""Exports: any number of records as lines of NDJSON or CSV, newest first, in constant memory.

The records come in pages, each read in a transaction of its own: an export that takes long keeps no partition from
being dropped, and no old row from being vacuumed.
"""

from __future__ import annotations

import csv
import io
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import orjson

from systemlog.conf import conf
from systemlog.records.context_json import as_json
from systemlog.records.fields import ALL_FIELDS
from systemlog.search.pages import Position, Search, find_page
from systemlog.search.rows import CONTEXT, as_rows
from systemlog.search.spreadsheet import harmless, harmless_json

PAGE_ROWS = 2000
GZIP = 31
"""zlib's number for the gzip format."""

FAST = 3
Rows = list[Any]


class Export:
    """The records of a search beyond `after`, page by page, for as long as `EXPORT_TIMEOUT_S` lets it.

    Afterwards `rows` counts them, and `rest` is where to go on, None where nothing is left.
    """

    def __init__(self, search: Search, after: Position | None = None) -> None:
        self.search = replace(search, records=as_rows(search.records))
        self.rest = after
        self.rows = 0

    def pages(self) -> Iterator[Rows]:
        """The pages; an empty one where a second went by without a record."""
        deadline = time.monotonic() + conf().EXPORT_TIMEOUT_S
        slice_ = None
        while True:
            page = find_page(self.search, limit=PAGE_ROWS, after=self.rest, first_slice=slice_)
            self.rest, slice_ = page.older, page.slice
            self.rows += len(page.items)
            yield page.items
            if self.rest is None or time.monotonic() > deadline:
                return


def as_ndjson(pages: Iterable[Rows]) -> Iterator[bytes]:
    """A record a line, as the API has it."""
    for page in pages:
        yield b"".join(_json_line(row) for row in page)


def as_csv(pages: Iterable[Rows]) -> Iterator[bytes]:
    """A line of names, and a record a line, with its context as JSON; a spreadsheet computes nothing of it."""
    yield _csv_lines([ALL_FIELDS])
    for page in pages:
        yield _csv_lines(_cells(row) for row in page)


def compressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same as gzip; each chunk can be read when it has come."""
    compressor = zlib.compressobj(FAST, zlib.DEFLATED, GZIP)
    for chunk in chunks:
        if chunk:
            yield compressor.compress(chunk) + compressor.flush(zlib.Z_SYNC_FLUSH)
    yield compressor.flush()


def _json_line(row: Any) -> bytes:
    values: list[Any] = _values(row)
    values[CONTEXT] = orjson.Fragment(values[CONTEXT])
    return orjson.dumps(dict(zip(ALL_FIELDS, values, strict=True)), option=orjson.OPT_APPEND_NEWLINE)


def _values(row: Any) -> list[str | None]:
    values = list(row)
    values[CONTEXT] = as_json(values[CONTEXT])
    return values


def _cells(row: Any) -> list[str | None]:
    values = _values(row)
    cells = [harmless(value) for value in values]
    cells[CONTEXT] = harmless_json(values[CONTEXT] or "")
    return cells


def _csv_lines(lines: Iterable[Iterable[str | None]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(lines)
    return text.getvalue().encode()
