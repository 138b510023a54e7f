"""Configuration that would fail at run time is named at start-up."""

from __future__ import annotations

import pytest
from django.conf import settings as django_settings
from django.core.checks import Tags, run_checks
from pytest_django.fixtures import Settings

HEALTH = "health.middleware.HealthMiddleware"


def ids() -> list[str | None]:
    return [message.id for message in run_checks(tags=[Tags.compatibility]) if (message.id or "").startswith("health.")]


def messages(id: str) -> str:  # noqa: A002  (as Django calls it)
    return "\n".join(
        f"{message.msg} {message.hint}" for message in run_checks(tags=[Tags.compatibility]) if message.id == id
    )


def test_the_platform_itself_has_nothing_to_complain_of() -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"DEADLIN": 1}, "'DEADLINE_S'"),
        ({"DEADLINE_S": "1"}, "float"),
        ({"DEADLINE_S": 0}, "between"),
        ({"PATH": "health/"}, "slash"),
        ({"PROBES": ["health.probes.Database"]}, "dict"),
        ({"TOKEN": "short"}, "16"),
    ],
    ids=["unknown", "type", "range", "path", "probes", "token"],
)
def test_a_bad_setting_is_named(settings: Settings, given: dict[str, object], said: str) -> None:
    settings.HEALTH = given

    assert said in messages("health.E001")


def test_a_setting_that_is_no_dictionary_is_named(settings: Settings) -> None:
    settings.HEALTH = ["PATH"]

    assert ids() == ["health.E001"]


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        ("nowhere.at_all", "cannot be imported"),
        ("health.probes.Nothing", "cannot be imported"),
        ("tests.health.doubtful.not_callable", "not callable"),
        ({"PROBE": "health.probes.Database", "ALIAS": "default"}, "without ALIAS"),
        ({"PROBE": "health.probes.DiskSpace"}, "path"),
        ({"PROBE": "health.probes.Cache", "OPTIONS": {"name": "x"}}, "name"),
        ({"OPTIONS": {}}, "PROBE"),
        (7, "dotted path"),
    ],
    ids=[
        "no module",
        "no name",
        "no callable",
        "unknown key",
        "missing option",
        "wrong option",
        "no probe",
        "a number",
    ],
)
def test_a_broken_probe_is_named(settings: Settings, probe: object, said: str) -> None:
    settings.HEALTH = {"PROBES": {"broken": probe}}

    assert said in messages("health.E002")


def test_a_missing_middleware_is_named(settings: Settings) -> None:
    settings.MIDDLEWARE = [name for name in django_settings.MIDDLEWARE if name != HEALTH]

    assert ids() == ["health.E003"]


def test_a_middleware_that_could_refuse_a_probe_is_named(settings: Settings) -> None:
    settings.MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", HEALTH]

    assert "SecurityMiddleware" in messages("health.E004")


def test_a_function_that_is_not_there_is_named(settings: Settings) -> None:
    settings.HEALTH = {"CAN_SEE_DETAILS": "nowhere.at_all"}

    assert ids() == ["health.E005"]


@pytest.mark.parametrize(
    ("probes", "warned"),
    [
        ({}, True),
        ({"disk": {"PROBE": "health.probes.DiskSpace", "OPTIONS": {"path": "/"}}}, True),
        ({"database": "health.probes.Database"}, False),
    ],
    ids=["none", "another", "a database"],
)
def test_probes_without_a_database_are_warned_of(settings: Settings, probes: dict[str, object], warned: bool) -> None:
    settings.HEALTH = {"PROBES": probes}

    assert ("health.W007" in ids()) == warned
