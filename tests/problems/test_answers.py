"""Errors that are not exceptions of a view: returned responses, methods, paths, hosts, CSRF and redirects."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient, Client
from rest_framework.exceptions import Throttled

from systemlog.problems import Problem
from systemlog.problems.testing import assert_problem
from tests.problems.raising import CASES, SECRET

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
JSON = "application/json"


class TestReturnedResponses:
    @pytest.mark.parametrize("kind", ["drf", "plain"])
    @pytest.mark.parametrize(
        ("status", "slug"),
        [
            (400, "bad-request"),
            (401, "not-authenticated"),
            (403, "permission-denied"),
            (404, "not-found"),
            (409, "conflict"),
            (500, "internal-error"),
            (503, "unavailable"),
        ],
    )
    def test_an_empty_error_response_gets_a_body(
        self, client: Client, debug: bool, kind: str, status: int, slug: str
    ) -> None:
        problem = assert_problem(client.get(f"/nothing/{kind}/{status}/"), type=slug, status=status)
        assert problem.correlation_id

    def test_a_status_without_a_type_is_about_blank_with_the_status_phrase(self, client: Client, debug: bool) -> None:
        problem = assert_problem(client.get("/nothing/plain/507/"), type="about:blank", status=507)
        assert problem.title == "Insufficient Storage"

    def test_headers_and_cookies_of_the_response_stay(self, client: Client) -> None:
        response = client.get("/nothing/plain/503/")
        assert response.headers["Retry-After"] == "0"
        assert response.cookies["kept"].value == "yes"
        assert client.get("/nothing/drf/404/").headers["X-Kept"] == "yes"

    def test_the_length_is_that_of_the_body(self, client: Client) -> None:
        response = client.get("/nothing/plain/503/")
        assert response.headers["Content-Length"] == str(len(response.content))

    def test_html_for_a_client_that_did_not_ask_for_it_is_replaced(self, client: Client, debug: bool) -> None:
        assert_problem(client.get("/page/"), type="bad-request", status=400)

    def test_html_for_a_client_that_asks_for_it_stays(self, client: Client) -> None:
        response = client.get("/page/", headers={"Accept": BROWSER})
        assert response.content == b"<h1>No</h1>"

    def test_json_that_a_view_has_written_itself_stays(self, client: Client) -> None:
        assert client.get("/json/").json() == {"mine": True}

    def test_returned_serializer_errors_are_a_failed_validation(self, client: Client) -> None:
        response = client.post("/returned-errors/", {"items": [{"price": 1}, {"price": "x"}]}, JSON)
        assert_problem(response, type="validation-failed", status=400, pointer="#/items/1/price", code="invalid")

    @pytest.mark.parametrize(
        ("kind", "slug"),
        [
            ("NotFound", "not-found"),
            ("MethodNotAllowed", "method-not-allowed"),
            ("UnsupportedMediaType", "unsupported-media-type"),
            ("ParseError for another", "bad-request"),
        ],
    )
    def test_what_drfs_own_handler_answered_is_the_same_problem(
        self, client: Client, debug: bool, kind: str, slug: str
    ) -> None:
        response = client.get(f"/handled-by-drf/{kind}/")
        assert_problem(response, type=slug, status=CASES[kind][1])
        assert SECRET.encode() not in response.content
        assert b"errors" not in response.content

    def test_a_detail_in_drfs_form_is_the_problems_detail(self, client: Client, debug: bool) -> None:
        response = client.get("/details/409/")
        assert assert_problem(response, type="conflict", status=409).detail == "Sold a minute ago."
        assert response.headers["X-Kept"] == "yes"

    def test_a_detail_of_a_500_is_not_shown(self, client: Client) -> None:
        assert_problem(client.get("/details/500/"), type="internal-error", status=500)
        assert b"minute" not in client.get("/details/500/").content

    def test_errors_of_another_status_than_a_validations_stay(self, client: Client) -> None:
        assert client.post("/returned-errors/?status=409", {}, JSON).json()["customer"]

    def test_a_view_that_returns_none_is_an_internal_error(self, client: Client, debug: bool) -> None:
        assert_problem(client.get("/none/"), type="internal-error", status=500)

    def test_runaway_recursion_is_an_internal_error(self, client: Client, debug: bool) -> None:
        assert_problem(client.get("/recurses/"), type="internal-error", status=500)


class TestMethods:
    def test_a_method_that_a_plain_view_lacks_keeps_allow(
        self, client: Client, debug: bool, records: list[Any]
    ) -> None:
        response = client.post("/only-get/")
        assert_problem(response, type="method-not-allowed", status=405)
        assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
        assert not records

    def test_a_method_that_a_drf_view_lacks_keeps_allow_and_is_not_repeated(self, client: Client) -> None:
        response = client.generic("BREW", "/orders/")
        problem = assert_problem(response, type="method-not-allowed", status=405)
        assert "GET" in response.headers["Allow"]
        assert "BREW" not in str(problem.as_dict())

    @pytest.mark.parametrize("path", ["/missing/", "/raises/drf/NotFound/", "/nothing/plain/404/", "/nothing/drf/404/"])
    def test_head_has_no_body_and_the_length_that_get_would_have(self, client: Client, path: str) -> None:
        response = client.head(path)
        assert response.status_code in (404, 405)
        assert response.content == b""
        assert int(response.headers["Content-Length"]) > 100
        assert response.headers["Content-Type"] == "application/problem+json"


class TestPaths:
    def test_a_path_without_a_view_is_not_found(self, client: Client, debug: bool) -> None:
        assert_problem(client.get("/no/such/path"), type="not-found", status=404)

    @pytest.mark.parametrize(
        ("path", "instance"),
        [
            ("/missing/?token=s3cr3t", "/missing/"),
            ("/%2F%2Fevil/", "/%2F/evil/"),
            ("/%2Fevil.example/", "/%2Fevil.example/"),
            ("/\\evil/", "/%5Cevil/"),
            ("/caf%C3%A9/<b>/", "/caf%C3%A9/%3Cb%3E/"),
            ("/a%20b%22c/", "/a%20b%22c/"),
            ("/%0d%0aSet-Cookie:x/", "/%0D%0ASet-Cookie:x/"),
        ],
    )
    def test_instance_is_the_path_encoded_and_no_other_host(self, client: Client, path: str, instance: str) -> None:
        assert assert_problem(client.generic("GET", path), status=404).instance == instance

    def test_an_unknown_host_is_refused_without_being_named(self, client: Client, debug: bool) -> None:
        response = client.get("/orders/", headers={"Host": f"{SECRET}.example"})
        assert_problem(response, type="bad-request", status=400)
        assert SECRET.encode() not in response.content

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_a_body_is_not_lost_in_a_redirect_to_the_path_with_a_slash(
        self, client: Client, debug: bool, settings: Any, method: str
    ) -> None:
        settings.APPEND_SLASH = True
        response = client.generic(method, "/orders", b"{}", content_type=JSON)
        assert_problem(response, type="not-found", status=404)

    def test_a_get_is_still_redirected_to_the_path_with_a_slash(self, client: Client, settings: Any) -> None:
        settings.APPEND_SLASH = True
        assert client.get("/orders?x=1").headers["Location"] == "/orders/?x=1"


class TestCsrf:
    @pytest.fixture
    def strict(self) -> Client:
        return Client(enforce_csrf_checks=True, raise_request_exception=False)

    def test_a_failure_in_the_middleware_is_a_problem(self, strict: Client, debug: bool, records: list[Any]) -> None:
        response = strict.post("/reads/form/", headers={"Origin": f"https://{SECRET}.example"})
        assert_problem(response, type="csrf-failed", status=403)
        assert SECRET.encode() not in response.content
        assert len({id(record) for record in records}) == 1

    def test_a_failure_in_drf_is_the_same_problem(self, strict: Client, db: None, debug: bool) -> None:
        strict.force_login(User.objects.create_user("someone"))
        response = strict.post("/members/", {}, JSON, headers={"Origin": f"https://{SECRET}.example"})
        assert_problem(response, type="csrf-failed", status=403)
        assert SECRET.encode() not in response.content


def test_a_detail_that_a_project_gave_its_own_drf_exception_is_shown(client: Client, debug: bool) -> None:
    problem = assert_problem(client.get("/raises/drf/APIException of the project/"), type="about:blank", status=402)
    assert problem.detail == "Pay first."


def test_a_401_of_the_projects_own_names_the_ways_to_authenticate(client: Client) -> None:
    response = client.get("/raises/drf/problem of status 401/")
    assert_problem(response, type="session-expired", status=401)
    assert response.headers["WWW-Authenticate"] == 'Basic realm="api"'


def test_the_test_client_raises_what_a_view_raised_as_it_always_does() -> None:
    for path in ("/raises/plain/ValueError/", "/raises/drf/ValueError/"):
        with pytest.raises(ValueError, match=SECRET):
            Client().get(path)


def test_the_test_client_does_not_raise_a_problem() -> None:
    for where in ("In", "View", "Out"):
        assert_problem(Client().get("/orders/", headers={f"X-Raise-{where}": "ProblemException"}), status=409)


def test_extension_members_and_headers_of_a_problem_are_in_the_answer(client: Client) -> None:
    problem = assert_problem(client.get("/raises/plain/ProblemException/"), type="/problems/out-of-stock")
    assert problem.extensions == {"available": 3}
    assert problem.detail == "Three are left."


def test_without_the_correlation_middleware_there_is_an_id_all_the_same(client: Client, settings: Any) -> None:
    settings.MIDDLEWARE = settings.MIDDLEWARE[1:]
    assert assert_problem(client.get("/missing/"), status=404).correlation_id


@pytest.mark.parametrize(
    ("name", "status"), [("ValueError", 500), ("OperationalError", 503), ("Http404", 404), ("DisallowedHost", 400)]
)
def test_errors_above_the_middleware_are_problems_by_the_projects_error_views(
    client: Client, settings: Any, name: str, status: int
) -> None:
    settings.MIDDLEWARE = ["tests.problems.views.Saboteur", *settings.MIDDLEWARE]
    assert_problem(client.get("/orders/", headers={"X-Raise-In": name}), status=status)


@pytest.mark.parametrize("name", ["ValueError", "DisallowedHost", "NotFound"])
def test_every_answer_says_its_length(client: Client, settings: Any, name: str) -> None:
    settings.MIDDLEWARE = settings.MIDDLEWARE[:2]
    response = client.get(f"/raises/plain/{name}/")
    assert response.headers["Content-Length"] == str(len(response.content))


@pytest.mark.parametrize("wait", [0, 7])
def test_retry_after_stays_also_of_zero(client: Client, monkeypatch: pytest.MonkeyPatch, wait: int) -> None:
    monkeypatch.setitem(CASES, "Throttled", (lambda: Throttled(wait=wait), 429, "too-many-requests"))
    assert client.get("/raises/drf/Throttled/").headers["Retry-After"] == str(wait)


def test_drf_views_alone_need_no_middleware(client: Client, settings: Any, debug: bool) -> None:
    settings.MIDDLEWARE = []
    problem = assert_problem(client.get("/raises/drf/ValueError/"), type="internal-error", status=500)
    assert problem.correlation_id


def test_under_asgi_a_path_without_a_view_is_not_found(async_client: AsyncClient, debug: bool) -> None:
    response = async_to_sync(async_client.get)("/no/such/path")
    assert Problem.from_response(response).status == 404
