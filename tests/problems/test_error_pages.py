"""HTML error pages for browsers, and failures while an error is answered."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import Client

from systemlog.problems.testing import assert_problem
from tests.problems.raising import SECRET

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
JSON = "application/json"


class TestPagesForBrowsers:
    @pytest.mark.parametrize("path", ["/admin/no/such/page/", "/admin/auth/user/x/change/"])
    def test_a_browser_under_the_admin_gets_djangos_page(
        self, client: Client, admin_user: User, debug: bool, path: str
    ) -> None:
        client.force_login(admin_user)
        response = client.get("/admin/no/such/page/", headers={"Accept": BROWSER})
        assert response.status_code == 404
        assert response.headers["Content-Type"].startswith("text/html")
        assert b"Traceback" not in response.content
        assert b"DEBUG" not in response.content

    def test_a_program_under_the_admin_gets_a_problem(self, client: Client, admin_user: User, debug: bool) -> None:
        client.force_login(admin_user)
        assert_problem(client.get("/admin/no/such/page/"), type="not-found", status=404)

    def test_a_failure_under_the_admin_is_djangos_page_without_a_word_about_it(
        self, client: Client, debug: bool
    ) -> None:
        response = client.get("/admin/", headers={"Accept": BROWSER, "X-Raise-In": "ValueError"})
        assert response.status_code == 500
        assert b"Server Error (500)" in response.content
        assert SECRET.encode() not in response.content

    def test_an_unavailable_database_keeps_its_status_and_retry_after(self, client: Client) -> None:
        response = client.get("/admin/", headers={"Accept": BROWSER, "X-Raise-In": "OperationalError"})
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "5"
        assert b"<h1>Service Unavailable (503)</h1>" in response.content
        assert response.headers["X-Request-ID"].encode() in response.content

    def test_a_csrf_failure_under_the_admin_is_djangos_page(self, debug: bool) -> None:
        client = Client(enforce_csrf_checks=True)
        response = client.post("/admin/login/", headers={"Accept": BROWSER})
        assert response.status_code == 403
        assert b"CSRF verification failed" in response.content

    @pytest.mark.parametrize("accept", [BROWSER, "text/html", "text/html;q=0.1"])
    def test_a_browser_elsewhere_gets_a_problem(self, client: Client, debug: bool, accept: str) -> None:
        assert_problem(client.get("/missing/", headers={"Accept": accept}), type="not-found", status=404)

    def test_a_site_of_pages_can_say_so(self, client: Client, settings: Any) -> None:
        settings.SYSTEMLOG = {**settings.SYSTEMLOG, "PROBLEM_HTML_PATHS": ["/"]}
        response = client.get("/missing/", headers={"Accept": BROWSER})
        assert response.headers["Content-Type"].startswith("text/html")
        assert_problem(client.get("/missing/"), status=404)


class TestFailures:
    def test_a_failing_error_handler_of_the_project_does_no_harm(
        self, client: Client, settings: Any, debug: bool
    ) -> None:
        settings.ROOT_URLCONF = "tests.problems.urls_failing"
        assert_problem(client.get("/missing/"), type="not-found", status=404)

    def test_a_failing_error_page_ends_in_djangos_own(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, records: list[Any]
    ) -> None:
        def fail(*_: object, **__: object) -> HttpResponse:
            raise ValueError(SECRET)

        monkeypatch.setattr("django.views.defaults.page_not_found", fail)
        response = client.get("/admin/", headers={"Accept": BROWSER, "X-Raise-In": "Http404"})
        assert response.status_code == 500
        assert b"<h1>Server Error (500)</h1>" in response.content
        assert SECRET.encode() not in response.content
        assert len({id(record) for record in records}) == 1

    def test_a_failing_negotiation_of_the_language_is_an_internal_error(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(request: HttpRequest) -> str:
            raise ValueError(SECRET)

        monkeypatch.setattr("systemlog.problems.formatting.formatter.language_of", fail)
        problem = assert_problem(client.get("/missing/"), status=500)
        assert problem.correlation_id

    def test_a_second_failure_is_logged_together_with_the_first(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, records: list[Any]
    ) -> None:
        failures = iter([ValueError("the first failure"), LookupError("the second failure")])

        def fail(*_: object, **__: object) -> HttpResponse:
            raise next(failures)

        monkeypatch.setattr("systemlog.problems.formatting.formatter.language_of", fail)
        assert_problem(client.get("/missing/"), status=500)
        (record,) = {id(record): record for record in records}.values()
        text = logging.Formatter().format(record)
        assert "ValueError: the first failure" in text
        assert "LookupError: the second failure" in text

    def test_exceptions_pass_if_the_project_says_so(self, settings: Any) -> None:
        settings.DEBUG_PROPAGATE_EXCEPTIONS = True
        for path in ("/raises/plain/ValueError/", "/raises/drf/ValueError/"):
            with pytest.raises(ValueError, match=SECRET):
                Client(raise_request_exception=False).get(path)
        assert_problem(Client().get("/missing/"), status=404)
