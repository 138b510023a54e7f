"""Titles and details in the client's language, if Django has a translation."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import translation
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.fields import Field

from systemlog.problems import Problem
from systemlog.problems.testing import assert_problem

GERMAN = {"Accept-Language": "de-AT, de;q=0.9, en;q=0.5"}
JSON = "application/json"


def in_language(language: str, text: Any) -> str:
    """Return a text of REST framework in a language. The translations differ between its versions."""
    with translation.override(language):
        return str(text)


def test_the_words_follow_accept_language_and_the_rest_does_not(client: Client) -> None:
    english = Problem.from_response(client.post("/orders/", {}, JSON))
    response = client.post("/orders/", {}, JSON, headers=GERMAN)
    german = Problem.from_response(response)
    assert german.errors[0].detail == in_language("de", Field.default_error_messages["required"])
    assert german.detail == in_language("de", ValidationError.default_detail)
    assert (german.type, german.errors[0].code, german.errors[0].pointer) == (
        english.type,
        english.errors[0].code,
        english.errors[0].pointer,
    )
    assert response.headers["Content-Language"] == "de"
    assert "Accept-Language" in response.headers["Vary"]


@pytest.mark.parametrize("path", ["/missing/", "/raises/drf/NotFound/", "/nothing/plain/404/"])
def test_every_road_speaks_the_language(client: Client, path: str) -> None:
    response = client.get(path, headers=GERMAN)
    assert assert_problem(response, status=404).detail == "Nicht gefunden."
    assert response.headers["Content-Language"] == "de"


def test_a_title_is_translated_where_django_has_it(client: Client) -> None:
    assert assert_problem(client.get("/nothing/plain/403/", headers=GERMAN), status=403).title == "Verboten"


@pytest.mark.parametrize("asked", ["tlh", "*", "", "de;q=x", "\xff", "a" * 5000])
def test_what_nobody_speaks_is_answered_in_the_projects_language(client: Client, asked: str) -> None:
    response = client.get("/missing/", headers={"Accept-Language": asked})
    assert assert_problem(response, status=404).detail == "Not found."
    assert response.headers["Content-Language"] in ("en", "en-us")


def test_words_that_no_catalogue_has_are_not_called_by_the_clients_language(client: Client) -> None:
    response = client.get("/raises/plain/foreign key on SQLite/", headers=GERMAN)
    assert assert_problem(response, status=409).detail == "The request contradicts what is stored."
    assert response.headers["Content-Language"] == "en-us"


def test_what_locale_middleware_chose_holds(client: Client, settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    response = client.get("/raises/drf/NotFound/", headers={"Accept-Language": "fr"})
    assert assert_problem(response, status=404).detail == in_language("fr", NotFound.default_detail)
    assert response.headers["Content-Language"] == "fr"


def test_one_language_needs_no_headers_about_it(client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.USE_I18N = False
    # Django caches its first choice by this setting.
    monkeypatch.setattr(translation, "_trans", type(translation._trans)())
    response = client.get("/missing/", headers=GERMAN)
    assert assert_problem(response, status=404).detail == "Not found."
    assert "Content-Language" not in response.headers
