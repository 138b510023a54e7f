"""The system checks of problems."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest
from django.test import override_settings
from django.urls import include, path, re_path
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from systemlog.conf import Settings, conf
from systemlog.problems import ProblemType
from systemlog.problems import registry as registry_module

pytestmark = pytest.mark.django_db  # some checks of Django 6.1 query the database


def ids() -> set[str]:
    """Return the ids of the messages of this package."""
    return {str(message.id) for message in run_checks() if str(message.id)[-3:-1] == "02"}


@pytest.fixture(autouse=True)
def well_ordered(settings: Any) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "EXCEPTION_HANDLER": "systemlog.problems.exception_handler"}


def test_a_right_installation_is_not_complained_about() -> None:
    assert ids() == set()


def test_a_missing_handler_is_named(settings: Any) -> None:
    settings.REST_FRAMEWORK = {}
    assert ids() == {"systemlog.W021"}


def test_a_missing_middleware_is_named(settings: Any) -> None:
    settings.MIDDLEWARE = settings.MIDDLEWARE[:1]
    assert ids() == {"systemlog.W021"}


def test_who_uses_neither_hears_nothing(settings: Any) -> None:
    settings.MIDDLEWARE = settings.MIDDLEWARE[:1]
    settings.REST_FRAMEWORK = {}
    assert ids() == set()


def test_a_middleware_above_ours_is_named(settings: Any) -> None:
    settings.MIDDLEWARE = [settings.MIDDLEWARE[2], *settings.MIDDLEWARE]
    assert ids() == {"systemlog.W022"}


def test_a_negotiation_that_answers_406_is_named(settings: Any) -> None:
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_CONTENT_NEGOTIATION_CLASS": "rest_framework.negotiation.DefaultContentNegotiation",
    }
    assert ids() == {"systemlog.W024"}


def test_djangos_own_page_for_a_failed_csrf_check_is_named(settings: Any) -> None:
    settings.CSRF_FAILURE_VIEW = "django.views.csrf.csrf_failure"
    assert ids() == {"systemlog.W024"}


def test_type_uris_that_lead_nowhere_are_named(settings: Any) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "PROBLEM_BASE_URL": "/errors/"}
    assert ids() == {"systemlog.W023"}


def test_a_place_of_pages_that_is_not_there_is_named(settings: Any) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "PROBLEM_HTML_PATHS": ["/shop/", "admin:index", "nope:index"]}
    assert ids() == {"systemlog.W025"}


def test_two_types_of_one_slug_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "_types", dict(registry_module._types))
    monkeypatch.setattr(registry_module, "_slugs_taken_twice", set())
    for title in ("One", "Another"):
        ProblemType(slug="doubled", title=title, status=400)
    assert ids() == {"systemlog.E022"}


def test_an_async_view_under_atomic_requests_is_named(settings: Any) -> None:
    from django.db import connection

    before = connection.settings_dict["ATOMIC_REQUESTS"]
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert ids() == {"systemlog.E021"}
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = before


async def pays(request: HttpRequest, currency: str = "") -> None:
    """An async function view."""


class Refunds(View):
    """A class-based view."""

    async def post(self, request: HttpRequest) -> None:
        """Handle POST."""


urlpatterns = [
    path("pay/<int:pk>/", csrf_exempt(never_cache(pays))),
    path("shop/", include([re_path(r"^pay/(?P<currency>[A-Z]+)/?\Z", partial(csrf_exempt(pays), currency="EUR"))])),
    path("refunds/", csrf_exempt(Refunds.as_view())),
    path("may/", non_atomic_requests(pays)),
]


def test_an_async_view_is_named_by_its_route_and_not_by_what_wraps_it(settings: Any) -> None:
    from django.db import connection

    before = connection.settings_dict["ATOMIC_REQUESTS"]
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    settings.ROOT_URLCONF = __name__
    try:
        told = [message.msg for message in run_checks() if message.id == "systemlog.E021"]
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = before
    assert [text.partition("of the route ")[2] for text in told] == [
        f"'pay/<int:pk>/' ({__name__}.pays).",
        f"'shop/pay/<currency>/' ({__name__}.pays).",
        f"'refunds/' ({__name__}.Refunds).",
    ]


@pytest.mark.parametrize(
    "given",
    [
        {"PROBLEM_BASE_URL": "problems/"},
        {"PROBLEM_BASE_URL": "//evil/"},
        {"PROBLEM_BASE_URL": "/problems"},
        {"VALIDATION_STATUS": 418},
        {"PROBLEM_LOG_LEVELS": {404: "LOUD"}},
        {"PROBLEM_LOG_LEVELS": {500: "INFO"}},
        {"PROBLEM_MAX_ERRORS": 0},
        {"PROBLEM_HTML_PATHS": "/admin/"},
    ],
)
def test_a_bad_setting_is_named(settings: Any, given: dict[str, Any]) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, **given}
    assert "systemlog.E002" in {message.id for message in run_checks()}


def test_a_project_without_the_setting_has_the_defaults_until_it_gets_one(settings: Any) -> None:
    del settings.SYSTEMLOG
    assert conf() == conf() == Settings()
    with override_settings(SYSTEMLOG={"VALIDATION_STATUS": 422}):
        assert conf().VALIDATION_STATUS == 422
        with override_settings(DEBUG=True):
            assert conf().VALIDATION_STATUS == 422
    assert conf().VALIDATION_STATUS == 400
    settings.SYSTEMLOG = {"VALIDATION_STATUS": 422}
    assert conf().VALIDATION_STATUS == 422


def test_a_setting_that_is_assigned_holds_at_once(settings: Any) -> None:
    del settings.SYSTEMLOG
    assert conf().PROBLEM_MAX_ERRORS == 100
    django_settings.SYSTEMLOG = {"PROBLEM_MAX_ERRORS": 5}
    try:
        assert conf().PROBLEM_MAX_ERRORS == 5
    finally:
        del django_settings.SYSTEMLOG
    assert conf().PROBLEM_MAX_ERRORS == 100
