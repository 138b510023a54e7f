"""The part of Elasticsearch's API, below `/elastic`, that clients and shippers use to write logs.

Bulks and single documents are stored. The requests that clients make before they send documents change nothing; their
answers let the clients go on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse

from systemlog.conf import conf
from systemlog.ingest import elastic_documents
from systemlog.ingest.authentication import authenticate, check_may_write
from systemlog.ingest.endpoint import (
    BATCH_LINES,
    FREE_BYTES,
    MAX_SENT_BYTES,
    Endpoint,
    check_method,
    holding,
    read_whole,
)
from systemlog.ingest.errors import NoRoom, ProtocolError, elastic_error, elastic_response
from systemlog.ingest.json_bodies import object_bytes
from systemlog.ingest.mapping import LineMaker, Refused, text_of
from systemlog.ingest.streams import BodyBroken, BodyTooLarge, TooLong, read_lines, read_pieces
from systemlog.journal import accept_lines
from systemlog.records.strict_json import Malformed

MAX_DECODED_BYTES = 100 * 2**20
MAX_LINE_BYTES = 32 * 2**20
"""The largest document. A larger one is refused, and the others of its bulk are stored."""

MAX_ACTIONS = 500_000
"""The most actions of a bulk. Each has an item in the answer, and all items stay in memory until the end."""

MAX_INDEX_BYTES = 255
MAX_ID_BYTES = 512
"""Elasticsearch has the same limits for `_index` and `_id`."""

TYPES = {
    "application/json",
    "application/x-ndjson",
    "application/vnd.elasticsearch+json",
    "application/vnd.elasticsearch+x-ndjson",
}
ACTIONS = ("index", "create", "update", "delete")

_setup = re.compile(
    r"(?:_ilm/policy|_index_template|_component_template|_template|_ingest/pipeline|_data_stream)/[^/]+"
)
_id_at = slice(30, 62)
"""Where the record's id stands in a line."""


class Elastic(Endpoint):
    """Answers all requests below `/elastic`."""

    protocol = "elastic"

    @staticmethod
    def error_format(request: HttpRequest, status: int, text: str) -> HttpResponse:
        """Return an error object. 429 becomes 503: Elasticsearch's JavaScript client does not retry after 429."""
        return elastic_error(request, 503 if status == 429 else status, text)

    def respond(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Answer by the path below `/elastic`."""
        user = authenticate(request)
        path = (kwargs.get("path") or "").strip("/")
        first, *rest = path.split("/")
        if first == "_bulk" and not rest:
            index, rest = "", ["_bulk"]
        elif first and not first.startswith("_") and rest:
            index = first
        else:
            return self._answer_probe(request, path)
        if rest == ["_refresh"]:  # the helpers of the JavaScript client send this at the end
            check_method(request, "POST", "GET")
            return elastic_response(request, {"_shards": {"total": 1, "successful": 1, "failed": 0}})
        if rest == ["_bulk"]:
            check_method(request, "POST", "PUT")
            check_may_write(user)
            return _bulk(request, LineMaker(user.get_username()), index)
        if rest[0] == "_doc":
            check_method(request, *(("POST", "PUT") if rest[1:] else ("POST",)))
        elif rest[0] == "_create" and rest[1:]:
            check_method(request, "PUT", "POST")
        else:
            raise ProtocolError(404, "There is no such path here.")
        check_may_write(user)
        return _single(request, LineMaker(user.get_username()), index, "/".join(rest[1:]))

    def _answer_probe(self, request: HttpRequest, path: str) -> HttpResponse:
        """Answer a request that clients make before they send documents."""
        if _setup.fullmatch(path):
            check_method(request, "GET", "HEAD", "PUT", "POST")
            return elastic_response(request, {} if request.method in ("GET", "HEAD") else {"acknowledged": True})
        answer = _PROBES.get(path)
        if answer is None:
            raise ProtocolError(404, "There is no such path here.")
        check_method(request, "GET", "HEAD")
        return elastic_response(request, answer())


def _about() -> dict[str, Any]:
    return {
        "name": "systemlog",
        "cluster_name": "systemlog",
        "cluster_uuid": "c3lzdGVtbG9nIGluZ2VzdA",
        "version": {
            "number": conf().ELASTIC_VERSION,
            "build_flavor": "default",
            "build_type": "docker",
            "build_hash": "0000000000000000000000000000000000000000",
            "build_date": "2026-01-01T00:00:00.000000000Z",
            "build_snapshot": False,
            "lucene_version": "9.12.2",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": "You Know, for Search",
    }


_LICENSE = {"status": "active", "uid": "systemlog", "type": "basic", "mode": "basic"}

_PROBES: dict[str, Callable[[], dict[str, Any]]] = {
    "": _about,
    "_license": lambda: {"license": _LICENSE},
    "_xpack": lambda: {"license": _LICENSE, "features": {}},
    "_cluster/health": lambda: {
        "cluster_name": "systemlog",
        "status": "green",
        "timed_out": False,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
    },
}


def _check_type(request: HttpRequest) -> None:
    if request.content_type not in TYPES:
        raise ProtocolError(415, "Send application/x-ndjson or application/json.")


def _single(request: HttpRequest, maker: LineMaker, index: str, id_: str) -> HttpResponse:
    """Store one document."""
    _check_type(request)
    if wrong := _wrong_name(index, id_):
        raise ProtocolError(400, wrong)
    with holding() as hold:
        pieces = read_pieces(request, max_sent=MAX_SENT_BYTES, max_decoded=MAX_LINE_BYTES)
        body = read_whole(pieces, hold)
        try:
            line = elastic_documents.line_of(body, maker, index, id_)
        except (Refused, Malformed) as error:
            raise ProtocolError(400, str(error)) from None
    if not accept_lines([line], maker.username):
        raise NoRoom
    id_ = id_ or line[_id_at].decode()
    return elastic_response(request, {"_index": index, "_id": id_, **_CREATED}, 201)


def _wrong_name(index: str, id_: str) -> str:
    if not index or len(index.encode("utf-8", "replace")) > MAX_INDEX_BYTES:
        return "There is no index, or its name is too long."
    if len(id_.encode("utf-8", "replace")) > MAX_ID_BYTES:
        return f"_id has more than {MAX_ID_BYTES} bytes."
    return ""


_CREATED = {
    "_version": 1,
    "result": "created",
    "_shards": {"total": 1, "successful": 1, "failed": 0},
    "_seq_no": 0,
    "_primary_term": 1,
}


def _end_of_item(members: dict[str, Any]) -> bytes:
    """Return the end of an item in the answer to a bulk, which `_beginning_of_item` begins."""
    return b"," + orjson.dumps(members)[1:] + b"}"


_CREATED_ITEM = _end_of_item({**_CREATED, "status": 201})
_NO_ROOM_ITEM = _end_of_item(
    {
        "status": 429,
        "error": {"type": "es_rejected_execution_exception", "reason": "The server has no room for more records."},
    }
)


def _bulk(request: HttpRequest, maker: LineMaker, index: str) -> HttpResponse:
    """Store a bulk. The answer has an item for each action, in the same order."""
    _check_type(request)
    began = time.monotonic()
    with holding() as hold:
        bulk = _Bulk(maker, hold)
        lines = read_lines(read_pieces(request, max_sent=MAX_SENT_BYTES, max_decoded=MAX_DECODED_BYTES), MAX_LINE_BYTES)
        try:
            bulk.read(lines, index)
        finally:
            bulk.flush()
        if not bulk.items:
            raise ProtocolError(400, "request body is required")
        if bulk.full and not bulk.taken:
            raise NoRoom
        took = int((time.monotonic() - began) * 1000)
        errors = b"true" if bulk.errors else b"false"
        body = b'{"took":%d,"errors":%s,"items":[%s]}' % (took, errors, b",".join(bulk.items))
    return elastic_response(request, body)


class _Bulk:
    """A bulk while it is read: the items of the answer, and the lines that are not in the journal yet."""

    def __init__(self, maker: LineMaker, hold: Callable[[int], None]) -> None:
        self._maker = maker
        self._hold = hold
        self._largest = 0
        self._waiting: list[bytes] = []
        self._places: list[int] = []
        """For each waiting line, the index of its item."""
        self.items: list[bytes] = []
        self.errors = False
        self.full = False
        self.taken = 0

    def read(self, lines: Iterator[bytes | TooLong], index_of_path: str) -> None:
        """Process all actions. Raises `BodyBroken` at a line that should be an action but is not."""
        for line in lines:
            if len(self.items) >= MAX_ACTIONS:
                raise BodyTooLarge
            action, members = _action(line)
            given = members.get("_index") or index_of_path
            index = given if isinstance(given, str) else ""
            id_ = text_of(members.get("_id")) or ""
            if action == "delete":
                self._refuse(action, index, id_, "delete is not supported: records are never changed.")
                continue
            document = next(lines, None)
            if action == "update":
                self._refuse(action, index, id_, "update is not supported: records are never changed.")
            elif document is None:
                self._refuse(action, index, id_, "The action has no document behind it.")
            elif wrong := _wrong_name(index, id_):
                self._refuse(action, index, id_, wrong)
            elif isinstance(document, TooLong):
                self._refuse(action, index, id_, f"The document has more than {MAX_LINE_BYTES} bytes.")
            else:
                self._take(action, index, id_, document)

    def flush(self) -> None:
        """Append the waiting lines to the journal, and change the items of the lines that had no room there."""
        lines, self._waiting = self._waiting, []
        places, self._places = self._places, []
        if not lines:
            return
        taken = 0 if self.full else accept_lines(lines, self._maker.username)
        self.taken += taken
        for place in places[taken:]:
            self.full = self.errors = True
            self.items[place] = self.items[place].replace(_CREATED_ITEM, _NO_ROOM_ITEM)
        self._maker.look_at_the_clock()

    def _take(self, action: str, index: str, id_: str, document: bytes) -> None:
        if len(document) > self._largest:
            self._hold(len(document) - self._largest)
            self._largest = len(document)
            if len(document) > FREE_BYTES:
                self._hold(object_bytes(document))
        try:
            line = elastic_documents.line_of(document, self._maker, index, id_)
        except (Refused, Malformed) as error:
            self._refuse(action, index, id_, str(error))
            return
        id_ = id_ or line[_id_at].decode()
        self._waiting.append(line)
        self._places.append(len(self.items))
        self._add(_beginning_of_item(action, index, id_) + _CREATED_ITEM)
        if len(self._waiting) == BATCH_LINES:
            self.flush()

    def _refuse(self, action: str, index: str, id_: str, reason: str) -> None:
        self.errors = True
        error = {"status": 400, "error": {"type": "document_parsing_exception", "reason": reason}}
        self._add(_beginning_of_item(action, index, id_) + _end_of_item(error))

    def _add(self, item: bytes) -> None:
        self.items.append(item)
        self._hold(len(item))


def _beginning_of_item(action: str, index: str, id_: str) -> bytes:
    return b'{"%s":{"_index":%s,"_id":%s' % (action.encode(), _quoted(index), _quoted(id_) if id_ else b"null")


def _quoted(text: str) -> bytes:
    try:
        return orjson.dumps(text[:MAX_ID_BYTES])
    except TypeError:  # a lone surrogate
        return orjson.dumps(text[:MAX_ID_BYTES].encode("utf-8", "replace").decode())


def _action(line: bytes | TooLong) -> tuple[str, dict[str, Any]]:
    """Return the action that a line names, and the members of the action. Other members of the line are ignored."""
    if not isinstance(line, TooLong):
        try:
            value = elastic_documents.read(line)
        except (Malformed, Refused):
            value = None
        if isinstance(value, dict):
            for action in ACTIONS:
                if action in value and isinstance(members := value[action], dict | None):
                    return action, members or {}
    raise BodyBroken("An action line is no JSON, or names no action: index, create, update or delete.")
