"""Bodies of the log API: one record, or many as a JSON array or NDJSON. Each value is read as soon as it arrives."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from itertools import chain

from django.http import HttpRequest

from systemlog.conf import conf
from systemlog.ingest import streams
from systemlog.ingest.json_bodies import load
from systemlog.ingest.streams import BodyBroken, BodyTooLarge
from systemlog.records.strict_json import Malformed, read_json, refuse_constant

MAX_RECORD_BYTES = 2**20
"""The largest record in a body of many. Message and context at their limits fit, even if every character is escaped."""

_space = re.compile(r"[ \t\r\n]*")
_structure = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[{]++|[\]}]++|[",]', re.DOTALL)
_decoder = json.JSONDecoder(parse_constant=refuse_constant)


def read_body(request: HttpRequest) -> Iterator[bytes]:
    """Yield the decompressed body, within the limits of the settings. Raises the errors of `streams.read_pieces`."""
    return streams.read_pieces(request, max_sent=conf().MAX_BODY_BYTES, max_decoded=conf().MAX_DECODED_BYTES)


def read_lines(pieces: Iterator[bytes]) -> Iterator[object]:
    """Yield the JSON value of each line that is not blank; a `Malformed` for a line that is not JSON."""
    first = True
    for line in streams.read_lines(pieces, MAX_RECORD_BYTES):
        if isinstance(line, streams.TooLong):
            yield Malformed(f"This line has more than {MAX_RECORD_BYTES} bytes.")
        else:
            yield _value(line.removeprefix(codecs.BOM_UTF8) if first else line)
        first = False


def decode(pieces: Iterator[bytes]) -> Iterator[str]:
    """Yield the pieces as text. Invalid UTF-8 becomes lone surrogates, which validation refuses."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
    for piece in pieces:
        if text := decoder.decode(piece):
            yield text
    if text := decoder.decode(b"", final=True):
        yield text


def read_object(pieces: Iterator[str]) -> object:
    """Return the JSON value of a body; a `Malformed` if the body is not JSON.

    Raises `BodyTooLarge` for a body above `MAX_BODY_BYTES`.
    """
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
    """Return the first character that is not white space ("" if there is none), and an iterator over all pieces."""
    seen = []
    for piece in pieces:
        seen.append(piece)
        if stripped := piece.lstrip(" \t\r\n"):
            return stripped[0], chain(seen, pieces)
    return "", iter(seen)


def read_array(pieces: Iterator[str]) -> Iterator[object]:
    """Yield the elements of a JSON array, each as soon as it arrives; a `Malformed` for an element that is not JSON.

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
    """A window of a text: `more` appends the next piece at the end and drops what was read at the start."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self.pieces = pieces
        self.text = ""
        self.at = 0

    def peek(self) -> str:
        """Return the next character that is not white space; "" at the end."""
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
                if len(self.text) - self.at > MAX_RECORD_BYTES:
                    raise BodyBroken(
                        f"This is no JSON array, or a record has more than {MAX_RECORD_BYTES} characters."
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
        """Go to the end of the element by counting brackets, without reading any part of the element twice."""
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
            if skipped + len(self.text) - self.at > MAX_RECORD_BYTES or not self.more():
                raise BodyBroken("This is no JSON array, or it breaks off.")

    def more(self) -> bool:
        """Append the next piece and drop what was read. Returns False at the end."""
        piece = next(self.pieces, "")
        if piece:
            self.text, self.at = self.text[self.at :] + piece, 0
        return bool(piece)


def _value(line: bytes) -> object:
    try:
        return load(line)
    except Malformed:
        return Malformed("This line is no JSON, or is nested too deep.")
