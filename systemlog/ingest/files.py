"""Taking in logs from files: NDJSON, plain or compressed, stored once however often it is imported.

A line without an id gets one that is made of its instant, its text and its ordinal among the identical lines of the
file: the same file gives the same ids. So a second import, or one that goes on after a crash, stores nothing twice.

A file of an archive, as its manifest knows it, is restored bit for bit: what is in it was stored here before.
"""

from __future__ import annotations

import hashlib
import sys
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BufferedReader

from systemlog.exceptions import SystemLogError
from systemlog.ingest.validation import InvalidRecord, RecordError, read_record
from systemlog.records.ids import derive_id
from systemlog.records.ndjson import read_line
from systemlog.records.strict_json import Malformed, read_json
from systemlog.retention.compression import broken_data_errors, reading
from systemlog.storage import Row, get_storage

BATCH_ROWS = 5000
MAX_LINE_BYTES = 2**20
NUL = b"\x00"


class BrokenFile(SystemLogError):
    """The file ends in the middle of its compressed data, or is damaged; the lines before that place were imported."""


@dataclass(slots=True)
class Outcome:
    """What became of the lines of a file: `stored` new, `repeated` there before, `refused` as bad."""

    stored: int = 0
    repeated: int = 0
    refused: int = 0

    @property
    def lines(self) -> int:
        """All lines that were not blank."""
        return self.stored + self.repeated + self.refused


def import_file(
    file: BufferedReader,
    *,
    refuse: Callable[[int, InvalidRecord], None],
    progress: Callable[[Outcome], None] = lambda outcome: None,
    of_archive: bool = False,
) -> Outcome:
    """Store the records of an NDJSON file, plain or compressed by gzip or Zstandard.

    `refuse` is told each bad line by its number, from 1; `progress` the outcome so far, after each batch. A file
    `of_archive` has the lines that `systemlog.archive` wrote. Raises `BrokenFile` at the end of what can be read, and
    `ZstandardIsMissing`.
    """
    outcome = Outcome()
    batch: list[Row] = []

    def store() -> None:
        stored = get_storage().insert(batch) if batch else 0
        outcome.stored += stored
        outcome.repeated += len(batch) - stored
        batch.clear()
        progress(outcome)

    seen: Counter[int] = Counter()
    try:
        for number, line in _lines(file, MAX_LINE_BYTES if not of_archive else sys.maxsize - 1):
            try:
                batch.append(_restore(line) if of_archive else _read(line, seen))
            except InvalidRecord as refused:
                outcome.refused += 1
                refuse(number, refused)
            if len(batch) == BATCH_ROWS:
                store()
    except BrokenFile:
        store()
        raise
    store()
    return outcome


def _read(line: bytes | None, seen: Counter[int]) -> Row:
    if line is None:
        raise InvalidRecord([RecordError(None, "max_length", f"This line has more than {MAX_LINE_BYTES} bytes.")])
    try:
        given = read_json(line.decode("utf-8", "surrogateescape"))
    except Malformed:
        raise InvalidRecord([RecordError(None, "malformed", "This line is no JSON, or is nested too deep.")]) from None
    if isinstance(given, dict) and "id" in given:
        return read_record(given, archived=True)
    digest = hashlib.sha256(line).digest()
    short = int.from_bytes(digest[:8], "big")  # a file may have very many lines
    ordinal = seen[short]
    seen[short] += 1
    return read_record(given, archived=True, make_id=partial(derive_id, digest=digest, ordinal=ordinal))


def _restore(line: bytes | None) -> Row:
    try:
        return read_line(line or b"")
    except (ValueError, TypeError) as error:
        raise InvalidRecord([RecordError(None, "malformed", "This is no line of an archive.")]) from error


def _lines(file: BufferedReader, limit: int) -> Iterator[tuple[int, bytes | None]]:
    """Number and text of each line that is not blank; None for the text of one with more bytes than `limit`."""
    number = 0
    lines = reading(file)
    try:
        while line := lines.readline(limit + 1):
            number += 1
            while len(line) > limit and not line.strip(NUL):
                line = lines.readline(limit + 1)  # the hole that a program writes behind once its file was truncated
            if len(line) > limit:
                while line and not line.endswith(b"\n"):
                    line = lines.readline(limit)
                yield number, None
            elif text := line.lstrip(NUL).removeprefix(BOM_UTF8).strip():
                yield number, text
    except broken_data_errors() as error:
        raise BrokenFile(f"The compressed data breaks off or is damaged after line {number}.") from error
