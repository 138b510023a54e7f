"""Tests of the private APIs of Django, REST framework and drf-spectacular on which problems depend."""

from __future__ import annotations

import inspect
import io
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.handlers import exception as exception_handling
from django.core.handlers.wsgi import WSGIRequest
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from django.utils.log import log_response
from drf_spectacular.openapi import AutoSchema
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from systemlog import compat


def test_djangos_request_is_found_inside_that_of_rest_framework() -> None:
    request = RequestFactory().get("/")
    assert compat.django_request(Request(request)) is request
    assert compat.django_request(request) is request


def test_a_body_is_given_as_it_was_parsed_and_never_parsed_for_it() -> None:
    request = Request(RequestFactory().post("/", {"a": 1}, "application/json"), parsers=[JSONParser()])
    assert compat.parsed_body(request) is None
    _ = request.data
    assert compat.parsed_body(request) == {"a": 1}
    form = RequestFactory().post("/", {"a": "1"})
    assert compat.parsed_body(form) is None
    _ = form.POST
    assert compat.parsed_body(form) == form.POST


def test_django_reads_the_body_from_the_stream_that_replaces_its_own() -> None:
    request = RequestFactory().post("/", b"old", "text/plain")
    assert compat.input_stream(request).read() == b"old"
    compat.replace_input_stream(request, io.BytesIO(b"new"))
    assert request.body == b"new"


def test_a_stream_that_somebody_reads_is_not_replaced() -> None:
    request = RequestFactory().post("/", b"old", "text/plain")
    request.read(1)
    compat.replace_input_stream(request, io.BytesIO(b"new"))
    assert request.read() == b"ld"


def test_an_unreadable_form_is_empty_the_second_time() -> None:
    request = RequestFactory().post("/", b"a=1", "application/x-www-form-urlencoded")
    compat.mark_post_unreadable(request)
    assert not request.POST


def test_django_does_not_log_a_response_that_is_marked_as_logged(caplog: pytest.LogCaptureFixture) -> None:
    marked, logged = HttpResponse(status=500), HttpResponse(status=500)
    compat.mark_logged(marked)
    for response in (marked, logged):
        log_response("failed", response=response)
        assert compat.was_logged(response)
    assert len(caplog.records) == 1


def test_a_stored_header_is_in_the_response() -> None:
    response = HttpResponse()
    compat.stored_headers(response)["x-a"] = ("X-A", "1")
    assert response.headers["X-A"] == "1"
    assert compat.stored_headers(response)["content-type"][1].startswith("text/html")


def test_a_stream_gives_its_iterator_and_its_closers() -> None:
    def content() -> Iterator[bytes]:
        yield b"a"

    given = content()
    closers, iterator = compat.stream_parts(StreamingHttpResponse(given))
    assert iterator is given
    assert closers == [given.close]


def test_a_view_without_transactions_names_its_databases() -> None:
    def view(request: HttpRequest) -> None:
        raise NotImplementedError

    assert compat.non_atomic_aliases(view) == set()
    assert compat.non_atomic_aliases(transaction.non_atomic_requests(view)) == {"default"}


def test_each_exception_that_django_catches_is_offered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exception_handling, "response_for_exception", exception_handling.response_for_exception)
    error, seen = ValueError(), []

    def fail(request: HttpRequest) -> Any:
        raise error

    def answer(request: HttpRequest, exc: Exception) -> HttpResponse:
        seen.append(exc)
        return HttpResponse(status=418)

    compat.intercept_exceptions(answer)
    handle = exception_handling.convert_exception_to_response(fail)
    assert handle(RequestFactory().get("/")).status_code == 418
    assert seen == [error]


def test_a_codec_that_is_not_for_text_does_not_fail_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    original = HttpRequest._set_content_type_params
    monkeypatch.setattr(HttpRequest, "_set_content_type_params", original)
    compat.postpone_query_errors()
    environ = RequestFactory()._base_environ(
        QUERY_STRING="a=1", CONTENT_TYPE="text/plain; charset=bz2", **{"wsgi.input": io.BytesIO()}
    )
    request = WSGIRequest(environ)
    assert request.GET.dict() == {"a": "1"}
    assert request.encoding == "bz2"


@pytest.mark.parametrize(
    "name",
    [
        "_get_response_bodies",
        "_get_paginator",
        "_is_list_view",
        "_get_request_body",
        "_get_parameters",
        "_get_filter_parameters",
        "_get_pagination_parameters",
    ],
)
def test_the_schema_still_has_the_method(name: str) -> None:
    parameters = list(inspect.signature(getattr(AutoSchema, name)).parameters.values())[1:]
    assert all(parameter.default is not parameter.empty for parameter in parameters)


def test_an_error_is_logged_as_django_logs_it(caplog: pytest.LogCaptureFixture) -> None:
    response = HttpResponse(status=404)
    compat.log_response(RequestFactory().get("/missing"), response)
    assert [(each.name, each.getMessage()) for each in caplog.records] == [("django.request", "Not Found: /missing")]
    assert compat.was_logged(response)


def test_djangos_page_for_an_error_has_a_title_and_details() -> None:
    page = compat.error_page("Teapot (418)", "<p>short and stout</p>")
    assert "<title>Teapot (418)</title>" in page
    assert "<p>short and stout</p>" in page


@pytest.mark.parametrize(("error", "status"), [(Http404("nothing"), 404), (ValueError("broken"), 500)])
def test_django_has_a_page_for_an_exception_under_debug(error: Exception, status: int) -> None:
    page = compat.debug_page(RequestFactory().get("/"), error)
    assert page.status_code == status
    assert str(error) in page.text


def test_a_form_with_a_broken_boundary_raises_the_error_of_the_multipart_parser() -> None:
    request = RequestFactory().post("/", b"a", "multipart/form-data; boundary=")
    with pytest.raises(compat.MultiPartParserError):
        _ = request.POST
