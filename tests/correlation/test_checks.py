"""The system checks of the correlation settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import Tags, run_checks
from pytest_django.fixtures import Settings

OURS = "systemlog.correlation.CorrelationMiddleware"
TRACER = "opentelemetry.instrumentation.django.middleware.otel_middleware._DjangoMiddleware"
OTHER = "django.middleware.common.CommonMiddleware"


@pytest.fixture
def messages(settings: Settings) -> Callable[..., set[str]]:
    """Return the ids of the messages under these SYSTEMLOG settings."""

    def messages(**keys: Any) -> set[str]:
        settings.SYSTEMLOG = {**settings.SYSTEMLOG, **keys}
        return {str(message.id) for message in run_checks(tags=[Tags.compatibility])} & {
            "systemlog.E010",
            "systemlog.E011",
            "systemlog.W010",
        }

    return messages


@pytest.mark.parametrize("trust", ["all", "none", [], ["10.0.0.0/8", "::1", "unix"], ("127.0.0.1",)])
def test_trust_is_all_none_or_proxies(messages: Callable[..., set[str]], trust: object) -> None:
    assert messages(CORRELATION_TRUST=trust) == set()


@pytest.mark.parametrize("trust", ["some", "10.0.0.0/8", ["10.0.0.1/8"], ["proxy.example.com"], [None]])
def test_other_trust_is_an_error(messages: Callable[..., set[str]], trust: object) -> None:
    assert messages(CORRELATION_TRUST=trust) == {"systemlog.E010"}


def test_rules_in_known_words_are_accepted(messages: Callable[..., set[str]]) -> None:
    rules = [{"route": "a/*", "status": "2xx", "faster_than": 0.5, "sample": 0.1}, {"status": 404}, {}]

    assert messages(ACCESS_RULES=rules) == set()


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param("all", id="no dictionary"),
        pytest.param({"rout": "x"}, id="unknown key"),
        pytest.param({1: "x"}, id="a key that is no text"),
        pytest.param({"route": 7}, id="route"),
        pytest.param({"path": 7}, id="path"),
        pytest.param({"status": "6xx"}, id="status"),
        pytest.param({"faster_than": "1s"}, id="duration"),
        pytest.param({"sample": 2}, id="sample above 1"),
        pytest.param({"sample": "half"}, id="sample of text"),
    ],
)
def test_other_rules_are_an_error(messages: Callable[..., set[str]], rule: object) -> None:
    assert messages(ACCESS_RULES=[rule]) == {"systemlog.E011"}


@pytest.mark.parametrize(
    ("middleware", "expected"),
    [
        ([OURS, OTHER], set()),
        ([OTHER], set()),
        ([TRACER, OURS, OTHER], set()),
        ([TRACER, OTHER, OURS], {"systemlog.W010"}),
        ([OTHER, OURS], {"systemlog.W010"}),
        ([OURS, OTHER, OURS], {"systemlog.W010"}),
    ],
)
def test_the_middleware_stands_first_and_once(
    messages: Callable[..., set[str]], settings: Settings, middleware: list[str], expected: set[str]
) -> None:
    settings.MIDDLEWARE = middleware

    assert messages() == expected
