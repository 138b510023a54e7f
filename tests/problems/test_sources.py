"""Every source of errors, with DEBUG off and on: the response is a problem without secrets, and is logged once.

The sources are `raising.CASES`, the exceptions of code in every kind of view and middleware, under WSGI and ASGI, and
`situations.SITUATIONS`, the errors of requests and returned responses. `test_servers` tests streams and broken bodies.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import SuspiciousOperation
from django.test import AsyncClient, Client
from rest_framework import exceptions as drf

from systemlog.problems import types
from systemlog.problems.formatting.exception_map import KINDS
from systemlog.problems.testing import assert_problem
from tests.problems.raising import CASES, SECRET
from tests.problems.situations import SITUATIONS, Situation

RFC_9457 = jsonschema.Draft202012Validator(json.loads((Path(__file__).parent / "rfc9457_schema.json").read_text()))
WARNED = {401, 403, 429}
ROADS = {
    "DRF view": lambda name: {"path": f"/raises/drf/{name}/"},
    "plain view": lambda name: {"path": f"/raises/plain/{name}/"},
    "async view": lambda name: {"path": f"/raises/async/{name}/"},
    "middleware on the way in": lambda name: {"path": "/orders/", "headers": {"X-Raise-In": name}},
    "middleware before the view": lambda name: {"path": "/orders/", "headers": {"X-Raise-View": name}},
    "middleware on the way out": lambda name: {"path": "/orders/", "headers": {"X-Raise-Out": name}},
}
SECRETS_OF_A_REQUEST = {
    "Cookie": f"sessionid={SECRET}",
    "Referer": f"https://example.com/{SECRET}",
    "User-Agent": SECRET,
    "X-Forwarded-For": SECRET,
}
INSIDES = [
    b"Traceback",
    b'File "',
    b".py",
    b"SELECT",
    b"INSERT",
    b"DATA_UPLOAD",
    b"ALLOWED_HOSTS",
    b"codec",
    b"int_max",
]
"""Texts about the program that no response may show."""


@pytest.fixture(params=["WSGI", "ASGI"])
def ask(request: pytest.FixtureRequest) -> Any:
    """Sends requests to the site under WSGI and ASGI. With `proven=False`, the client needs a CSRF token."""

    def ask(*args: Any, proven: bool = True, **kwargs: Any) -> Any:
        options: Any = {"raise_request_exception": False, "enforce_csrf_checks": not proven}
        if request.param == "WSGI":
            return Client(**options).generic(*args, **kwargs)
        client = AsyncClient(**options)

        async def generic() -> Any:
            return await client.generic(*args, **kwargs)

        return async_to_sync(generic)()

    return ask


def check(response: Any, status: int, slug: str) -> None:
    """Assert that the response is this problem, complete, and without the secret."""
    problem = assert_problem(response, type=slug, status=status)
    assert problem.correlation_id == response.headers["X-Request-ID"]
    assert problem.title
    assert problem.detail
    assert problem.instance
    assert int(response.headers["Content-Length"]) == len(response.content)
    RFC_9457.validate(json.loads(response.content))
    everything = response.content + repr(sorted(response.headers.items())).encode()
    for word in (SECRET.encode(), SECRET.upper().encode(), *INSIDES):
        assert word not in everything.replace(b"X-Raise", b"")


WRONG_HOST = "problem.wrong_host"
"""The action of a warning that is logged once a minute, for the first such request. It has a test of its own."""


def check_report(status: int, records: list[logging.LogRecord], signals: list[Any], *, signalled: bool) -> None:
    """Assert one ERROR for a 5xx, with traceback and signal if it was raised, and one WARNING for a configured 4xx."""
    expected = [logging.ERROR] if status >= 500 else [logging.WARNING] if status in WARNED else []
    unique = {id(record): record for record in records if record.__dict__.get("action") != WRONG_HOST}.values()
    assert [record.levelno for record in unique] == expected, [record.getMessage() for record in unique]
    assert len(signals) == (1 if signalled else 0)
    for record in unique:
        assert bool(record.exc_info) == signalled
        assert SECRET not in record.getMessage()


@pytest.mark.parametrize("name", CASES)
def test_an_exception_is_answered_with_its_problem_and_reported_once(
    ask: Any, debug: bool, name: str, records: list[logging.LogRecord], signals: list[Any], subtests: pytest.Subtests
) -> None:
    _, status, slug = CASES[name]
    for road, request in ROADS.items():
        with subtests.test(road):
            records.clear()
            signals.clear()
            check(ask("GET", **request(name)), status, slug)
            check_report(status, records, signals, signalled=status >= 500)


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=list(SITUATIONS))
def test_a_situation_is_answered_with_its_problem_and_reported_once(
    ask: Any,
    debug: bool,
    settings: Any,
    situation: Situation,
    records: list[logging.LogRecord],
    signals: list[Any],
) -> None:
    for name, value in situation.settings.items():
        setattr(settings, name, value)
    settings.APPEND_SLASH = True
    headers = {**SECRETS_OF_A_REQUEST, **situation.headers}
    path = situation.path + ("&" if "?" in situation.path else "?") + f"token={SECRET}"
    if situation.slug == "invalid-parameters":
        path = situation.path
    response = ask(
        situation.method,
        path,
        situation.body,
        situation.content_type,
        headers=headers,
        proven=situation.slug != "csrf-failed",
    )
    check(response, situation.status, situation.slug)
    check_report(situation.status, records, signals, signalled=situation.status >= 500 and situation.has_exception)


class TestTheListIsComplete:
    def test_of_drfs_exceptions(self) -> None:
        known = {kind for kind in vars(drf).values() if isinstance(kind, type) and issubclass(kind, drf.APIException)}
        assert known - raised() == set()

    def test_of_djangos_suspicious_operations(self) -> None:
        assert {
            kind
            for kind in descendants(SuspiciousOperation)
            if kind.__module__.startswith(("django.core.", "django.contrib.sessions."))
        } <= raised()

    def test_of_what_the_engine_recognises(self) -> None:
        for kinds, _ in KINDS:
            for kind in kinds if isinstance(kinds, tuple) else (kinds,):
                assert any(issubclass(found, kind) for found in raised()), kind

    def test_of_the_problem_types(self) -> None:
        answered = {slug for _, _, slug in CASES.values()} | {situation.slug for situation in SITUATIONS.values()}
        found = {vars(types)[name].slug for name in vars(types) if name in CLASSES_OF_THE_CATALOGUE}
        assert found - answered == set()


CLASSES_OF_THE_CATALOGUE = [
    name for name, kind in vars(types).items() if isinstance(kind, type) and kind.__module__ == types.__name__
]


def raised() -> set[type[BaseException]]:
    """Return the classes of the exceptions in the list."""
    return {type(make()) for make, _, _ in CASES.values()}


def descendants(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    """Return the class and all its subclasses."""
    yield kind
    for child in kind.__subclasses__():
        yield from descendants(child)
