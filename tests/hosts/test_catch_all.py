"""A site in which one pattern takes every path: a CMS, a single-page app."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from django.core.checks import run_checks
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, include, path, re_path

pytestmark = pytest.mark.django_db  # Django 6.1 asks the database in some of its own checks


def page(request: HttpRequest, path: str = "") -> HttpResponse:
    return HttpResponse("a page")


EVERY_PATH = re_path(r"^(?P<path>.*)$", page)
OURS = [path("system/", include("systemlog.api.urls")), path("", include("systemlog.problems.urls"))]


def site(settings: Any, patterns: list[URLPattern | URLResolver]) -> Client:
    urls = ModuleType("urls_of_a_site")
    urls.urlpatterns = patterns
    settings.ROOT_URLCONF = urls
    return Client()


def warnings() -> set[str]:
    return {str(message.id) for message in run_checks() if message.id in ("systemlog.W023", "systemlog.W033")}


def test_behind_the_pattern_our_paths_are_not_there_and_the_checks_say_so(settings: Any) -> None:
    client = site(settings, [EVERY_PATH, *OURS])

    assert client.get("/system/logs/").content == b"a page"
    assert warnings() == {"systemlog.W023", "systemlog.W033"}


def test_before_it_as_the_readme_says_they_are(settings: Any) -> None:
    client = site(settings, [*OURS, EVERY_PATH])

    assert client.get("/system/logs/").status_code == 401
    assert client.get("/problems/not-found").json()["slug"] == "not-found"
    assert client.get("/anything").content == b"a page"
    assert warnings() == set()


def test_a_site_without_the_log_api_hears_nothing_of_it(settings: Any) -> None:
    site(settings, [OURS[1], EVERY_PATH])

    assert warnings() == set()
