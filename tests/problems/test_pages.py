"""The pages `/problems` and `/problems/<slug>`, which document every type as HTML and as JSON."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from systemlog.problems import problem_types
from systemlog.problems.testing import assert_problem

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/problems", "/problems/"])
def test_the_list_names_every_type(client: Client, path: str) -> None:
    response = client.get(path)
    listed = {entry["slug"]: entry for entry in response.json()["problems"]}
    assert set(listed) == {known.slug for known in problem_types()}
    assert listed["not-found"] == {
        "type": "/problems/not-found",
        "slug": "not-found",
        "title": "Not found",
        "status": 404,
        "documentation": listed["not-found"]["documentation"],
    }


@pytest.mark.parametrize("end", ["", "/"])
@pytest.mark.parametrize("headers", [BROWSER, {}], ids=["html", "json"])
def test_every_type_has_a_page(client: Client, end: str, headers: dict[str, str]) -> None:
    for known in problem_types():
        response = client.get(f"/problems/{known.slug}{end}", headers=headers)
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/html" if headers else "application/json")
        assert str(known.title).encode() in response.content
        assert response.headers["Vary"] == "Accept"


def test_every_type_of_ours_says_what_to_do_about_it() -> None:
    assert [known.slug for known in problem_types() if not known.documentation] == []


def test_the_list_for_people_links_to_every_page(client: Client) -> None:
    page = client.get("/problems/", headers=BROWSER).content.decode()
    for known in problem_types():
        assert f'href="{known.uri}"' in page


def test_names_in_code_are_marked_up_and_not_in_backticks(client: Client) -> None:
    page = client.get("/problems/csrf-failed", headers=BROWSER).content.decode()
    assert "<code>X-CSRFToken</code>" in page
    assert "`" not in page


@pytest.mark.parametrize("path", ["/problems", "/problems/not-found", "/missing", "/system-health/live"])
def test_json_ends_in_a_line_break(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.content.endswith(b"}\n")
    assert client.head(path).headers["Content-Length"] == str(len(response.content))


def test_an_unknown_type_is_not_found(client: Client, debug: bool) -> None:
    assert_problem(client.get("/problems/no-such-type"), type="not-found", status=404)


def test_only_reading_is_allowed() -> None:
    response = Client(enforce_csrf_checks=True).post("/problems/")
    assert_problem(response, status=405)
    assert response.headers["Allow"] == "GET, HEAD"


def test_type_uris_are_made_of_the_setting_and_not_of_the_host(client: Client, settings: Any) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "PROBLEM_BASE_URL": "https://errors.example/v1/"}
    settings.ALLOWED_HOSTS = ["*"]
    problem = assert_problem(client.get("/missing/", headers={"Host": "evil.example"}))
    assert problem.type == "https://errors.example/v1/not-found"


def test_the_pages_ask_the_database_nothing(client: Client) -> None:
    # pytest-django fails each query of a test that has no mark for the database.
    assert client.get("/problems/").status_code == 200
