"""Reading the body of a POST of logs as it arrives: decompressed, bounded, record by record.

Nothing here knows a database or a response. A body that ends in the wrong place raises, after everything that came
before has been given out, so that the good records of a broken body are kept.
"""

from __future__ import annotations

import codecs
import json
import re
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any

from django.http import HttpRequest

from systemlog.compat import client_has_left
from systemlog.conf import conf
from systemlog.records.strict_json import Malformed, read_json, refuse_constant

CHUNK_BYTES = 64 * 1024
MAX_RECORD_CHARACTERS = 2**20
"""One record in a body of many may be as long: message and context at their limits, with every character escaped."""

PATIENCE_S = 1.0
"""How long a body is worked on before anybody asks whether its client is still there."""

DRAIN_BYTES = 64 * 2**20
"""So much of a body that is too large is read and thrown away, so that its sender hears the answer."""

_space = re.compile(r"[ \t\r\n]*")
_structure = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[{]++|[\]}]++|[",]', re.DOTALL)
_line = re.compile(r"[^ \t\r\n][^\n]*")
_decoder = json.JSONDecoder(parse_constant=refuse_constant)


class BodyBroken(Exception):
    """The body breaks off, is not compressed as it says, or is no JSON array."""


class BodyTooLarge(Exception):
    """The body is larger than the limit, as sent or decompressed."""


class UnknownEncoding(Exception):
    """The body has a Content-Encoding other than gzip."""


def read_body(request: HttpRequest) -> Iterator[str]:
    """The text of the body, piece by piece. Bytes that are no UTF-8 become lone surrogates, which intake finds.

    Raises `UnknownEncoding` at once; `BodyTooLarge` and `BodyBroken` at the piece where it shows.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise UnknownEncoding
    pieces = _bounded(_pieces(request), conf().MAX_BODY_BYTES)
    if _declared_length(request) > conf().MAX_BODY_BYTES:
        if request.headers.get("Expect", "").lower() != "100-continue":  # such a client sends it only when asked to
            with suppress(BodyBroken):
                deque(pieces, maxlen=0)  # taken, so that the answer is heard
        raise BodyTooLarge
    if encoding.endswith("gzip"):
        pieces = _decompressed(pieces, conf().MAX_DECODED_BYTES)
    return _attended(_decoded(pieces), request)


def read_lines(pieces: Iterator[str]) -> Iterator[object]:
    """The JSON value of each line that is not blank (NDJSON); `Malformed` in place of one that is none."""
    kept = ""
    too_long = False
    for piece in pieces:
        complete, newline, kept = (kept + piece).rpartition("\n")
        if newline and too_long:
            complete, too_long = complete.partition("\n")[2], False
        # Blank lines are passed over by the regular expression: a body may have millions.
        for line in _line.finditer(complete):
            if line.group().strip():
                yield _value(line.group())
        if len(kept) > MAX_RECORD_CHARACTERS:
            if not too_long:
                yield Malformed(f"This line has more than {MAX_RECORD_CHARACTERS} characters.")
            kept, too_long = "", True
    if kept.strip() and not too_long:
        yield _value(kept)


def read_object(pieces: Iterator[str]) -> object:
    """The one JSON value of a body; `Malformed` if there is none. Raises `BodyTooLarge` beyond MAX_BODY_BYTES."""
    parts, size = [], 0
    for piece in pieces:
        parts.append(piece)
        size += len(piece)
        if size > conf().MAX_BODY_BYTES:
            raise BodyTooLarge
    try:
        return read_json("".join(parts))
    except Malformed:
        return Malformed("The body is no JSON, or is nested too deep.")


def first_character(pieces: Iterator[str]) -> tuple[str, Iterator[str]]:
    """The first character that is no white space ("" if there is none), and all the pieces."""
    seen = []
    for piece in pieces:
        seen.append(piece)
        if stripped := piece.lstrip(" \t\r\n"):
            return stripped[0], chain(seen, pieces)
    return "", iter(seen)


def read_array(pieces: Iterator[str]) -> Iterator[object]:
    """The elements of a JSON array, each as soon as it is there; `Malformed` in place of one that is no JSON.

    Raises `BodyBroken` where the text stops being an array.
    """
    text = _Text(pieces)
    text.take("[")
    if text.peek() == "]":
        text.take("]")
    else:
        while True:
            yield text.element()
            if text.peek() == "]":
                text.take("]")
                break
            text.take(",")
    if text.peek():
        raise BodyBroken("There is something behind the end of the JSON array.")


class _Text:
    """A text that grows at its end, as it is asked for, and is forgotten at its start."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self.pieces = pieces
        self.text = ""
        self.at = 0

    def peek(self) -> str:
        """The next character that is no white space; "" at the end."""
        while True:
            match = _space.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def take(self, wanted: str) -> None:
        if self.peek() != wanted:
            raise BodyBroken("This is no JSON array, or it breaks off.")
        self.at += 1

    def element(self) -> object:
        self.peek()
        while True:
            try:
                value, end = _decoder.raw_decode(self.text, self.at)
            except json.JSONDecodeError:
                if len(self.text) - self.at > MAX_RECORD_CHARACTERS:
                    raise BodyBroken(
                        f"This is no JSON array, or a record has more than {MAX_RECORD_CHARACTERS} characters."
                    ) from None
                if not self.more():
                    raise BodyBroken("This is no JSON array, or it breaks off.") from None
            except (ValueError, RecursionError):
                self.skip()
                return Malformed("This is nested too deep, or has a number that JSON does not.")
            else:
                # A number could go on in the next piece.
                if end < len(self.text) or not self.more():
                    self.at = end
                    return value

    def skip(self) -> None:
        """Go to the end of the element, by its brackets. What was passed is not read again."""
        depth, skipped = 0, 0
        while True:
            begun = self.at
            for token in _structure.finditer(self.text, self.at):
                kind = token.group()
                if kind == '"':  # a string that goes on in the next piece
                    self.at = token.start()
                    break
                if kind[0] in "]}" and depth < len(kind):
                    self.at = token.start() + depth
                    return
                if kind == "," and depth == 0:
                    self.at = token.start()
                    return
                depth += len(kind) * ((kind[0] in "[{") - (kind[0] in "]}"))
            else:
                self.at = len(self.text)
            skipped += self.at - begun
            if skipped + len(self.text) - self.at > MAX_RECORD_CHARACTERS or not self.more():
                raise BodyBroken("This is no JSON array, or it breaks off.")

    def more(self) -> bool:
        """Append the next piece, and drop what was read; False at the end."""
        piece = next(self.pieces, "")
        if piece:
            self.text, self.at = self.text[self.at :] + piece, 0
        return bool(piece)


def _value(line: str) -> object:
    try:
        return read_json(line)
    except Malformed:
        return Malformed("This line is no JSON, or is nested too deep.")


def _reader(request: HttpRequest) -> Callable[[int], bytes]:
    environ: dict[str, Any] = getattr(request, "environ", {})
    if not request.META.get("CONTENT_LENGTH") and environ.get("wsgi.input_terminated"):
        # A chunked body: Django takes one without a length for empty, the server knows where it ends.
        return environ["wsgi.input"].read  # type: ignore[no-any-return]  # WSGI's environ is untyped
    return request.read


def _declared_length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isascii() and text.isdigit() else 0


def _pieces(request: HttpRequest) -> Iterator[bytes]:
    """The body as it arrives. Raises `BodyBroken` where it breaks off, after all that came before."""
    read = _reader(request)
    missing = _declared_length(request)
    while True:
        try:
            piece = read(CHUNK_BYTES)
        except Exception as error:
            # What the server read before the error, gunicorn gives out when it is asked again.
            with suppress(Exception):
                yield read(CHUNK_BYTES)
            raise BodyBroken("The body breaks off.") from error
        if not piece:
            break
        missing -= len(piece)
        yield piece
    if missing > 0:
        raise BodyBroken("The body is shorter than its Content-Length.")


def _bounded(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            with suppress(BodyBroken):
                for piece in pieces:  # noqa: PLW2901  (thrown away, so that the sender hears the answer)
                    size += len(piece)
                    if size > limit + DRAIN_BYTES:
                        break
            raise BodyTooLarge
        yield piece


def _decompressed(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    """The decompressed body in pieces of some size: many tiny gzip streams must not become as many tiny pieces."""
    kept = bytearray()
    try:
        for data in _inflated(pieces, limit):
            kept += data
            if len(kept) >= CHUNK_BYTES:
                yield bytes(kept)
                kept.clear()
    except BodyBroken:
        yield bytes(kept)
        raise
    yield bytes(kept)


def _inflated(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    inflate, size, begun = zlib.decompressobj(wbits=31), 0, False
    for piece in pieces:
        begun, rest, full = True, piece, False
        while rest or full:
            if inflate.eof:  # gzip allows one stream after another
                inflate = zlib.decompressobj(wbits=31)
            try:
                data = inflate.decompress(rest, CHUNK_BYTES)
            except zlib.error as error:
                raise BodyBroken("The body is no gzip.") from error
            rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            full = len(data) == CHUNK_BYTES and not inflate.eof
            size += len(data)
            if size > limit:
                with suppress(BodyBroken):
                    deque(pieces, maxlen=0)  # the rest of the body is bounded: take it, so that the answer is heard
                raise BodyTooLarge
            yield data
    if not begun or not inflate.eof:
        raise BodyBroken("The body is no gzip, or it breaks off.")


def _attended(pieces: Iterator[str], request: HttpRequest) -> Iterator[str]:
    """The pieces, as long as there is a client: 2 kB of gzip can hold many seconds of work.

    Raises `BodyBroken` when the client has closed the connection. One that has closed its own side alone cannot be told
    from that, and is let have a second.
    """
    began = time.monotonic()
    for piece in pieces:
        if time.monotonic() - began > PATIENCE_S and client_has_left(request):
            raise BodyBroken("The client has left.")
        yield piece


def _decoded(pieces: Iterator[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
    for piece in pieces:
        if text := decoder.decode(piece):
            yield text
    if text := decoder.decode(b"", final=True):
        yield text
