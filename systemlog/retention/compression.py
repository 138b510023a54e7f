"""Files of log lines, compressed by gzip or Zstandard: told by their first bytes when read, by name when written.

Zstandard is in Python from 3.14 on; before, it comes with the extra `zstd`.
"""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress
from importlib import import_module
from io import BufferedReader
from types import ModuleType
from typing import BinaryIO, cast

GZIP, ZSTD = "gzip", "zstd"
SUFFIXES = {GZIP: ".gz", ZSTD: ".zst"}

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

GZIP_LEVEL, ZSTD_LEVEL = 1, 1
"""Measured with log lines: gzip's 6 takes up to 2.5 times as long for 15 to 20 % less; Zstandard's 3 saves nothing."""


class ZstandardIsMissing(Exception):
    """Zstandard needs Python 3.14, or the package backports.zstd: pip install 'django-ops-platform[zstd]'."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


def zstandard() -> ModuleType:
    """The module. Raises `ZstandardIsMissing`."""
    for name in ("compression.zstd", "backports.zstd"):
        with suppress(ImportError):
            return import_module(name)
    raise ZstandardIsMissing


def reading(file: BufferedReader) -> BinaryIO:
    """What is in the file, decompressed if it is compressed. Raises `ZstandardIsMissing`."""
    magic = file.peek(4)
    if magic.startswith(GZIP_MAGIC):
        return cast(BinaryIO, gzip.open(file))
    if magic.startswith(ZSTD_MAGIC):
        return cast(BinaryIO, zstandard().open(file, "rb"))
    return cast(BinaryIO, file)


def writing(file: BinaryIO, compression: str) -> BinaryIO:
    """A file whose content goes compressed into `file`; the same content gives the same bytes. Close it first."""
    if compression == ZSTD:
        return cast(BinaryIO, zstandard().open(file, "wb", level=ZSTD_LEVEL))
    return cast(BinaryIO, gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0))


def broken_data_errors() -> tuple[type[Exception], ...]:
    """What reading compressed data raises that breaks off or is damaged."""
    try:
        return (EOFError, zlib.error, gzip.BadGzipFile, zstandard().ZstdError)
    except ZstandardIsMissing:
        return (EOFError, zlib.error, gzip.BadGzipFile)
