"""Request bodies that cannot be parsed: malformed, of an unsupported media type, or too large."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from systemlog.problems.testing import assert_problem

JSON = "application/json"


class TestParsing:
    @pytest.mark.parametrize(
        ("body", "content_type", "slug", "status"),
        [
            (b"{", JSON, "malformed-body", 400),
            (b"\xff\xfe\xfd", JSON, "malformed-body", 400),
            (b"[" * 100_000, JSON, "malformed-body", 400),
            (b'{"customer": ' + b"1" * 5000 + b"}", JSON, "malformed-body", 400),
            (b"{}", f"{JSON}; charset=bz2", "malformed-body", 400),
            (b"hunter2secret", "multipart/form-data", "malformed-body", 400),
            (b"{}", "text/hunter2secret", "unsupported-media-type", 415),
            (b"{}", "x" * 1000, "unsupported-media-type", 415),
        ],
    )
    def test_a_bad_body_is_a_problem_that_repeats_nothing(
        self, client: Client, debug: bool, body: bytes, content_type: str, slug: str, status: int
    ) -> None:
        response = client.generic("POST", "/orders/", body, content_type)
        assert_problem(response, type=slug, status=status)
        for secret in (b"hunter2secret", b"bz2", b"codec", b"digits", b"int_max", b"column", b"boundary"):
            assert secret not in response.content

    def test_a_body_of_another_type_is_told_which_the_view_takes(self, client: Client) -> None:
        response = client.post("/orders/", b"x", "text/plain")
        assert_problem(response, type="unsupported-media-type", status=415)
        assert "application/json" in response.headers["Accept"]

    def test_deep_json_in_a_plain_view_is_malformed_too(self, client: Client, debug: bool) -> None:
        response = client.generic("POST", "/reads/json/", b"[" * 100_000, JSON)
        assert_problem(response, type="malformed-body", status=400)

    def test_a_body_beyond_the_limit_is_too_large(self, client: Client, debug: bool, settings: Any) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
        for path in ("/orders/", "/reads/json/"):
            response = client.post(path, {"customer": "more than ten"}, JSON)
            assert_problem(response, type="content-too-large", status=413)

    def test_too_many_fields_are_refused(self, client: Client, debug: bool, settings: Any) -> None:
        settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 2
        response = client.post("/reads/form/", "a=1&b=2&c=3", "application/x-www-form-urlencoded")
        assert_problem(response, type="bad-request", status=400)
        assert b"DATA_UPLOAD" not in response.content
