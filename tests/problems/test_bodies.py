"""Chunked bodies, without a server: nothing is read before the view asks for the body or its length."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.exceptions import RequestDataTooBig
from django.core.handlers.wsgi import WSGIRequest
from django.http import UnreadablePostError
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from systemlog.problems.handling.request_bodies import wrap_body


class Source(io.BytesIO):
    """A server's stream that counts the bytes that were read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.taken += len(piece)
        return piece


class Broken(io.RawIOBase):
    """A server's stream with invalid chunks."""

    def read(self, size: int = -1, /) -> bytes:
        raise LookupError("chunk size")


def request_with(source: Any, content_type: str = "application/json", **headers: Any) -> WSGIRequest:
    """Return a request with a chunked body, as gunicorn passes it to the application."""
    environ = RequestFactory()._base_environ(
        REQUEST_METHOD="POST",
        CONTENT_TYPE=content_type,
        HTTP_TRANSFER_ENCODING="chunked",
        **{"wsgi.input": source, "wsgi.input_terminated": True, **headers},
    )
    request = WSGIRequest(environ)
    wrap_body(request)
    return request


def test_nothing_is_read_until_somebody_asks() -> None:
    source = Source(b"x" * 1000)
    request = request_with(source)
    assert request.META["CONTENT_LENGTH"] == ""
    assert source.taken == 0


def test_who_asks_for_the_body_gets_it() -> None:
    assert request_with(Source(b"hello")).body == b"hello"


def test_who_asks_for_the_length_first_gets_the_same_body() -> None:
    request = request_with(Source(b"hello"))
    assert int(request.META["CONTENT_LENGTH"]) == 5
    assert request.read() == b"hello"


def test_who_reads_the_servers_stream_gets_it_piece_by_piece() -> None:
    source = Source(b"x" * 1000)
    stream = request_with(source).META["wsgi.input"]
    assert stream.read(10) == b"x" * 10
    assert source.taken == 10


@given(st.binary(max_size=300), st.lists(st.integers(0, 50) | st.just(-1), max_size=10), st.integers(0, 10))
def test_the_stream_is_the_body_whenever_the_length_is_asked_for(body: bytes, sizes: list[int], when: int) -> None:
    request = request_with(Source(body))
    stream, read = request.META["wsgi.input"], b""
    for turn, size in enumerate(sizes):
        if turn == when:
            assert int(request.META["CONTENT_LENGTH"]) == len(body)
        read += stream.read(size)
    assert read + stream.read() == body


def test_lines_can_be_read() -> None:
    assert list(request_with(Source(b"one\ntwo\nthree"))) == [b"one\n", b"two\n", b"three"]


@pytest.mark.parametrize("asks_first", [False, True])
def test_djangos_limit_holds_without_reading_on(settings: Any, asks_first: bool) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    source = Source(b"x" * 1_000_000)
    request = request_with(source)
    if asks_first:
        assert int(request.META["CONTENT_LENGTH"]) == 101
    with pytest.raises(RequestDataTooBig):
        _ = request.body
    assert source.taken < 1000


def test_what_was_put_aside_is_not_all_there_is(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    request = request_with(Source(b"x" * 1000))
    assert int(request.META["CONTENT_LENGTH"]) == 101
    assert len(request.META["wsgi.input"].read(5000)) == 1000


def test_a_length_that_the_client_did_not_send_is_an_empty_string_in_every_way() -> None:
    length = request_with(Source(b"hello")).META["CONTENT_LENGTH"]
    assert isinstance(length, str)
    assert not length


def test_reading_all_of_a_body_beyond_the_limit_fails_and_does_not_cut_it(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    with pytest.raises(RequestDataTooBig):
        request_with(Source(b"x" * 1000)).read()


@pytest.mark.parametrize("ask", [lambda r: r.body, lambda r: int(r.META["CONTENT_LENGTH"]), lambda r: r.read(1)])
def test_broken_framing_is_an_unreadable_body(ask: Any) -> None:
    with pytest.raises(UnreadablePostError):
        ask(request_with(Broken()))


def test_a_body_of_known_length_is_left_alone() -> None:
    source = Source(b"hello")
    request = request_with(source, CONTENT_LENGTH="5")
    assert request.META["wsgi.input"] is source
    assert request.body == b"hello"


def request_of(length: int, source: Any) -> WSGIRequest:
    """Return a request with this Content-Length."""
    environ = RequestFactory()._base_environ(
        REQUEST_METHOD="POST", CONTENT_TYPE="application/json", CONTENT_LENGTH=str(length), **{"wsgi.input": source}
    )
    request = WSGIRequest(environ)
    wrap_body(request)
    return request


@pytest.mark.parametrize("ask", [lambda r: r.body, lambda r: r.read(), list, lambda r: r.read(3) + r.read(9)])
def test_a_body_that_ends_before_its_length_is_an_unreadable_body(ask: Any) -> None:
    with pytest.raises(UnreadablePostError):
        ask(request_of(10, Source(b"hello")))


@given(st.binary(max_size=100), st.lists(st.integers(0, 20), max_size=8))
def test_a_whole_body_is_read_as_it_is(body: bytes, sizes: list[int]) -> None:
    request = request_of(len(body), Source(body + b"the next request"))
    assert b"".join(request.read(size) for size in sizes) + request.read() == body


def test_a_server_that_gives_less_than_asked_is_asked_again() -> None:
    class Reluctant(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 1, 3))

    assert request_of(10, Reluctant(b"0123456789")).body == b"0123456789"


def test_a_server_that_does_not_end_the_stream_is_left_alone() -> None:
    source = Source(b"hello")
    request = request_with(source, **{"wsgi.input_terminated": False})
    assert request.META["wsgi.input"] is source
