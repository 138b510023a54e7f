"""System checks: what is wrong with limits is said before anything is served."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.core import checks
from django.db import connections

from systemlog.conf import conf
from systemlog.limits.checks import check_table
from tests.support.limits import Limit

IP = {"name": "ip", "by": "ip", "quota": 3, "window": "30s"}
THROTTLE = "systemlog.limits.LimitThrottle"


def found(*ids: str) -> list[str]:
    return [f"{message.id}: {message.msg}" for message in checks.run_checks() if message.id in ids]


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("ip", "is no dictionary"),
        ({"name": "ip"}, "has no 'by'"),
        ({**IP, "qouta": 3}, "has 'qouta', which is none of burst, by, exempt, methods, name, quota, routes, window"),
        ({**IP, "name": "An IP"}, "has a name that is not of a-z, 0-9, '-' and '_', 40 at most"),
        ({**IP, "quota": 0}, "has a quota that is no whole number from 1 to 1000000000"),
        ({**IP, "quota": True}, "has a quota that is no whole number from 1 to 1000000000"),
        ({**IP, "window": 0}, "has a window that is no number of whole seconds from 1 to 31622400"),
        ({**IP, "window": "soon"}, "has a window that is no span of time. Write a number and a unit: 90s, 15m, 12h"),
        ({**IP, "burst": -1}, "has a burst that is no whole number from 1 to 1000000000"),
        ({**IP, "window": "1d", "burst": 5000}, "has a burst that the quota needs more than 31622400 seconds for"),
        ({**IP, "routes": "/api/*"}, "has routes that are no list of texts"),
        ({**IP, "by": "nobody"}, "is not by 'ip', 'user' or the dotted path of a function"),
        ({**IP, "by": "no.such.function"}, "is by 'no.such.function', which cannot be imported"),
    ],
)
def test_a_policy_that_cannot_be_used_is_named(limit: Limit, policy: Any, told: str) -> None:
    limit(policy)

    (message,) = found("systemlog.E080")
    assert message.startswith(f"systemlog.E080: SYSTEMLOG['LIMITS'][0] {told}")


def test_two_policies_of_one_name_are_named(limit: Limit) -> None:
    limit(IP, IP)

    assert found("systemlog.E080") == [
        "systemlog.E080: SYSTEMLOG['LIMITS'][1] has the name 'ip', which another one has."
    ]


def test_nothing_is_said_of_limits_that_work(limit: Limit, settings: Any) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": [THROTTLE]}
    limit(IP, {**IP, "name": "user", "by": "user"}, TRUSTED_PROXIES=["10.0.0.0/8", "unix"])

    assert not [message for message in checks.run_checks() if message.id[-3:-1] == "08"]


def test_a_store_without_its_package_is_named(limit: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    limit(IP, LIMITS_STORE="redis://localhost/0")

    assert "the package redis is not installed" in found("systemlog.E081")[0]


def test_a_store_that_there_is_not_is_named(limit: Limit) -> None:
    limit(IP, LIMITS_STORE="memcached")

    assert "LIMITS_STORE" in found("systemlog.E002")[0]


@pytest.mark.django_db
def test_a_table_that_is_missing_is_named(limit: Limit) -> None:
    limit(IP, LIMITS_STORE="database")
    alias = conf().DATABASE

    assert not check_table(None, databases=[alias])
    with connections[alias].cursor() as cursor:
        cursor.execute("ALTER TABLE system_log_limit RENAME TO elsewhere")
    assert [message.id for message in check_table(None, databases=[alias])] == ["systemlog.E082"]


def test_a_middleware_that_is_missing_or_too_low_is_named(limit: Limit, settings: Any) -> None:
    limit(IP)
    others = [name for name in settings.MIDDLEWARE if name != "systemlog.limits.LimitMiddleware"]

    settings.MIDDLEWARE = others
    assert len(found("systemlog.W080")) == 1
    settings.MIDDLEWARE = [*others, "systemlog.limits.LimitMiddleware"]
    assert len(found("systemlog.W081")) == 1
    settings.MIDDLEWARE = [others[0], "systemlog.limits.LimitMiddleware", *others[1:]]
    assert len(found("systemlog.W081")) == 1


def test_a_policy_by_user_without_the_throttle_class_is_named(limit: Limit) -> None:
    limit({**IP, "name": "user", "by": "user"})

    assert "The rate limits user are not by address" in found("systemlog.W082")[0]


def test_trust_in_everybody_and_in_nobody_known_is_named(limit: Limit) -> None:
    limit(IP, TRUSTED_PROXIES=["*", "proxy.example.com"])

    assert len(found("systemlog.W083")) == 1
    assert "'proxy.example.com'" in found("systemlog.E083")[0]
