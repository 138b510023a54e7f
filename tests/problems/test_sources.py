"""Every source of error, DEBUG off and on: it is a problem, says nothing secret, and is reported once."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from systemlog.problems.testing import assert_problem
from tests.problems.raising import CASES, SECRET

RFC_9457_SCHEMA = json.loads((Path(__file__).parent / "rfc9457_schema.json").read_text())
WARNED = {401, 403, 429}
ROADS = {
    "DRF view": lambda name: {"path": f"/raises/drf/{name}/"},
    "plain view": lambda name: {"path": f"/raises/plain/{name}/"},
    "async view": lambda name: {"path": f"/raises/async/{name}/"},
    "middleware on the way in": lambda name: {"path": "/orders/", "headers": {"X-Raise-In": name}},
    "middleware before the view": lambda name: {"path": "/orders/", "headers": {"X-Raise-View": name}},
    "middleware on the way out": lambda name: {"path": "/orders/", "headers": {"X-Raise-Out": name}},
}

every_case = pytest.mark.parametrize("name", CASES)


def check(response: Any, name: str) -> None:
    """The answer is the problem that the table names, whole, and without the secret."""
    _, status, slug = CASES[name]
    problem = assert_problem(response, type=slug, status=status)
    assert problem.correlation_id == response.headers["X-Request-ID"]
    assert problem.title
    assert problem.detail
    assert problem.instance
    jsonschema.validate(json.loads(response.content), RFC_9457_SCHEMA)
    everything = response.content + repr(sorted(response.headers.items())).encode()
    assert SECRET.encode() not in everything.replace(b"X-Raise", b"")


def check_report(name: str, records: list[logging.LogRecord], signals: list[Any]) -> None:
    """One ERROR with traceback and one signal for a 5xx; a WARNING for what the settings name; else nothing."""
    _, status, _ = CASES[name]
    expected = [logging.ERROR] if status >= 500 else [logging.WARNING] if status in WARNED else []
    unique = {id(record): record for record in records}.values()
    assert [record.levelno for record in unique] == expected, [record.getMessage() for record in unique]
    assert len(signals) == (1 if status >= 500 else 0)
    for record in unique:
        assert bool(record.exc_info) == (status >= 500)


@every_case
def test_an_exception_is_answered_with_its_problem_and_reported_once(
    client: Client,
    debug: bool,
    name: str,
    records: list[logging.LogRecord],
    signals: list[Any],
    subtests: pytest.Subtests,
) -> None:
    for road, request in ROADS.items():
        with subtests.test(road):
            records.clear()
            signals.clear()
            check(client.get(**request(name)), name)
            check_report(name, records, signals)


@every_case
def test_under_asgi_it_is_answered_and_reported_alike(
    async_client: AsyncClient,
    debug: bool,
    name: str,
    records: list[logging.LogRecord],
    signals: list[Any],
    subtests: pytest.Subtests,
) -> None:
    for road, request in ROADS.items():
        with subtests.test(road):
            records.clear()
            signals.clear()
            check(async_to_sync(async_client.get)(**request(name)), name)
            check_report(name, records, signals)
