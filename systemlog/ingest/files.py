"""Import of logs from NDJSON files, plain or compressed. Importing a file again stores nothing twice.

The id of a line without one is derived from the line's instant, its text, and its ordinal among the identical lines of
the file. So the same file always has the same ids, also when an import is repeated after a crash.

The records of an archive file that a manifest lists are restored bit for bit.
"""

from __future__ import annotations

import hashlib
import sys
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import BufferedReader

from django.db import IntegrityError

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
    """The compressed data breaks off or is damaged. The lines before that place were imported."""


@dataclass(slots=True)
class Outcome:
    """How many lines of a file were stored, were stored before (`repeated`), or were refused as bad."""

    stored: int = 0
    repeated: int = 0
    refused: int = 0

    @property
    def lines(self) -> int:
        """The number of all lines that were not blank."""
        return self.stored + self.repeated + self.refused


def import_file(
    file: BufferedReader,
    *,
    refuse: Callable[[int, InvalidRecord], None],
    progress: Callable[[Outcome], None] = lambda outcome: None,
    of_archive: bool = False,
) -> Outcome:
    """Store the records of an NDJSON file, plain or compressed by gzip or Zstandard.

    `refuse` is called for each bad line with its number, from 1, and its errors. `progress` is called after each batch
    with the outcome so far. `of_archive` says that `retention.archive` wrote the file. Raises `BrokenFile` after it has
    stored all that can be read, and `ZstandardIsMissing`.
    """
    outcome = Outcome()
    batch: list[Row] = []

    def store() -> None:
        stored = _insert(batch) if batch else 0
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


def _insert(rows: Sequence[Row]) -> int:
    """Insert the rows. No tail shows them, because a tail is for events that happen now."""
    storage = get_storage()
    for attempt in (1, 2):
        try:
            with storage.unnoted():
                return storage.insert(rows)
        except IntegrityError:  # a partition may have been dropped since; another attempt creates it again
            if attempt == 2:
                raise
    raise AssertionError("unreachable")


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
    short = int.from_bytes(digest[:8], "big")  # 8 bytes a line: a file may have very many lines
    ordinal = seen[short]
    seen[short] += 1
    return read_record(given, archived=True, make_id=partial(derive_id, digest=digest, ordinal=ordinal))


def _restore(line: bytes | None) -> Row:
    try:
        return read_line(line or b"")
    except (ValueError, TypeError) as error:
        raise InvalidRecord([RecordError(None, "malformed", "This is no line of an archive.")]) from error


def _lines(file: BufferedReader, limit: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield number and text of each line that is not blank. The text of a line with more than `limit` bytes is None."""
    number = 0
    lines = reading(file)
    try:
        while line := lines.readline(limit + 1):
            number += 1
            while len(line) > limit and not line.strip(NUL):
                line = lines.readline(limit + 1)  # NULs of a file that was truncated while it was written
            if len(line) > limit:
                while line and not line.endswith(b"\n"):
                    line = lines.readline(limit)
                yield number, None
            elif text := line.lstrip(NUL).removeprefix(BOM_UTF8).strip():
                yield number, text
    except broken_data_errors() as error:
        raise BrokenFile(f"The compressed data breaks off or is damaged after line {number}.") from error
