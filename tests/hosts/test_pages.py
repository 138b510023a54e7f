"""A site of HTML pages with an API beside them, set up as the README says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotFound
from django.test import Client
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from systemlog.problems.testing import assert_problem

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def article(request: HttpRequest, number: int) -> HttpResponse:
    if number == 500:
        raise ValueError("a secret")
    raise Http404


def comment(request: HttpRequest) -> HttpResponse:
    return HttpResponse("thanks")


def words(request: HttpRequest) -> HttpResponse:
    return HttpResponseNotFound("no such check")


class Orders(APIView):
    authentication_classes: tuple[()] = ()
    permission_classes: tuple[()] = ()

    def get(self, request: Request, number: int) -> Response:
        if number == 500:
            raise ValueError("a secret")
        raise Http404


handler400 = "systemlog.problems.views.handler400"
handler403 = "systemlog.problems.views.handler403"
handler404 = "systemlog.problems.views.handler404"
handler500 = "systemlog.problems.views.handler500"
urlpatterns = [
    path("system/", include("systemlog.api.urls")),
    path("", include("systemlog.problems.urls")),
    path("articles/<int:number>/", article),
    path("comments/", comment),
    path("words/", words),
    path("shop/pages/<int:number>/", article),
    path("shop/orders/<int:number>/", Orders.as_view()),
    path("api/orders/<int:number>/", Orders.as_view()),
]


@pytest.fixture
def client(settings: Any, tmp_path: Path) -> Client:
    """A client of the site, whose 404.html and 500.html are its own."""
    for name in ("404", "500"):
        (tmp_path / f"{name}.html").write_text(f"<h1>Our {name}</h1>")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    settings.ROOT_URLCONF = __name__
    settings.SYSTEMLOG = {name: value for name, value in settings.SYSTEMLOG.items() if name != "PROBLEM_HTML_PATHS"}
    return Client(raise_request_exception=False)


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/articles/1/", b"<h1>Our 404</h1>"),
        ("/articles/500/", b"<h1>Our 500</h1>"),
        ("/no/such/page/", b"<h1>Our 404</h1>"),
        ("/shop/typo/", b"<h1>Our 404</h1>"),
        ("/problems/no-such-type", b"<h1>Our 404</h1>"),
    ],
)
def test_a_browser_gets_the_pages_of_the_site_and_a_program_problems(client: Client, path: str, page: bytes) -> None:
    response = client.get(path, headers=BROWSER)
    assert response.content == page
    assert response.headers["X-Request-ID"]
    assert_problem(client.get(path), status=response.status_code)


@pytest.mark.parametrize(
    "path", ["/api/orders/1/", "/api/orders/500/", "/api/typo/", "/shop/orders/1/", "/system/typo/"]
)
def test_an_api_answers_a_browser_with_problems_too(client: Client, path: str) -> None:
    assert_problem(client.get(path, headers=BROWSER), status=500 if "500" in path else 404)


def test_a_failed_csrf_check_of_a_page_is_a_page(client: Client) -> None:
    response = Client(enforce_csrf_checks=True).post("/comments/", headers=BROWSER)
    assert response.status_code == 403
    assert b"CSRF verification failed" in response.content


def test_a_page_that_cannot_be_rendered_ends_in_djangos(client: Client, tmp_path: Path) -> None:
    (tmp_path / "404.html").write_text("{% no_such_tag %}")
    response = client.get("/articles/1/", headers=BROWSER)
    assert response.status_code == 500
    assert b"Server Error (500)" in response.content


@pytest.mark.parametrize(("path", "said"), [("/articles/500/", b"a secret"), ("/no/such/page/", b"articles/")])
def test_under_debug_a_developer_gets_djangos_technical_page(
    client: Client, settings: Any, path: str, said: bytes
) -> None:
    settings.DEBUG = True
    response = client.get(path, headers=BROWSER)
    assert said in response.content
    assert response.headers["Content-Type"].startswith("text/html")


def test_a_views_own_words_stay_also_where_it_gave_them_no_type(client: Client) -> None:
    response = client.get("/words/")
    assert (response.status_code, response.content) == (404, b"no such check")
