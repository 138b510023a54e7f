"""Exports: any number of records as lines of NDJSON or CSV, newest first, in constant memory.

The records are read in pages, each in a transaction of its own, so that a long export keeps no partition from being
dropped and no row from being vacuumed.
"""

from __future__ import annotations

import csv
import io
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from systemlog.conf import conf
from systemlog.records.context_json import as_json
from systemlog.records.fields import READ_FIELDS
from systemlog.search.pages import find_page
from systemlog.search.plan import Plan
from systemlog.search.position import Position
from systemlog.search.rows import CONTEXT, represent_row_for_orjson
from systemlog.search.spreadsheet import harmless, harmless_json

PAGE_ROWS = 2000
GZIP_WBITS = 31
"""The value of `wbits` with which zlib writes the gzip format."""

FAST_LEVEL = 3
Rows = list[Any]


class Export:
    """The records of a plan whose shape is `TEXT_ROWS`, beyond `after`, for at most `EXPORT_TIMEOUT_S`.

    Afterwards `rows` is the number of records, and `rest` the position to go on from, None where nothing is left.
    """

    def __init__(self, plan: Plan, after: Position | None = None) -> None:
        self._plan = plan
        self.rest = after
        self.rows = 0

    def pages(self) -> Iterator[Rows]:
        """Yield the pages. A page is empty where the search took the time of a page and found no record."""
        deadline = time.monotonic() + conf().EXPORT_TIMEOUT_S
        slice_ = None
        while True:
            page = find_page(self._plan, limit=PAGE_ROWS, after=self.rest, first_slice=slice_)
            self.rest, slice_ = page.older, page.slice
            self.rows += len(page.items)
            yield page.items
            if self.rest is None or time.monotonic() > deadline:
                return


def as_ndjson(pages: Iterable[Rows]) -> Iterator[bytes]:
    """Yield each page as lines of JSON, a record a line, in the form that the API has."""
    for page in pages:
        yield b"".join(orjson.dumps(represent_row_for_orjson(row), option=orjson.OPT_APPEND_NEWLINE) for row in page)


def as_csv(pages: Iterable[Rows]) -> Iterator[bytes]:
    """Yield a line of column names, then each page as lines, a record a line, with the context as JSON.

    No cell is one that a spreadsheet would compute.
    """
    yield _csv_lines([READ_FIELDS])
    for page in pages:
        yield _csv_lines(_cells(row) for row in page)


def compressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks in gzip format. Each chunk can be decompressed as soon as it has arrived."""
    compressor = zlib.compressobj(FAST_LEVEL, zlib.DEFLATED, GZIP_WBITS)
    for chunk in chunks:
        if chunk:
            yield compressor.compress(chunk) + compressor.flush(zlib.Z_SYNC_FLUSH)
    yield compressor.flush()


def _cells(row: Any) -> list[str | None]:
    cells = [harmless(value) for value in row]
    cells[CONTEXT] = harmless_json(as_json(row[CONTEXT]))
    return cells


def _csv_lines(lines: Iterable[Iterable[str | None]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(lines)
    return text.getvalue().encode()
