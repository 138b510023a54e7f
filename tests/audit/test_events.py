"""Logins, exports and prunes are audit records; audit records are kept for 7 years, and archived before they go."""

from __future__ import annotations

import gzip
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import Client

from systemlog.models import SystemLog
from systemlog.records.ids import next_instant
from systemlog.retention.policies import policies_in_force, read_policies
from systemlog.testing import captured_records


@pytest.mark.django_db
def test_logins_and_logouts_tell_whose() -> None:
    user = User.objects.create_user("ann", password="a password of hers")
    client = Client()
    with captured_records() as records:
        client.login(username="ann", password="a password of hers")
        client.logout()
        client.logout()
        client.login(username="ann", password="not hers at all")
    told = [record for record in records if record.category.startswith("audit.")]
    assert [(record.category, record.subject, record.user_id) for record in told] == [
        ("audit.login", f"auth.user:{user.pk}", str(user.pk)),
        ("audit.logout", f"auth.user:{user.pk}", str(user.pk)),
        ("audit.login_failed", None, None),
    ]
    assert told[-1].context["username"] == "ann"
    assert "not hers at all" not in repr(records)


@pytest.mark.django_db
def test_an_export_tells_who_took_what(client: Client) -> None:
    user = User.objects.create_superuser("root")
    client.force_login(user)
    with captured_records() as records:
        list(client.get("/system/logs/export/", {"category": "billing", "format": "csv"}).streaming_content)  # type: ignore[arg-type]  # a sync stream
    (told,) = [record for record in records if record.category == "audit.export"]
    assert told.user_id == str(user.pk)
    assert (told.context["format"], told.context["parameters"]) == ("csv", {"category": ["billing"]})


@pytest.mark.django_db(transaction=True)
def test_a_prune_by_age_leaves_audit_records_and_tells_of_itself() -> None:
    long_ago = next_instant() - timedelta(days=100)
    for category in ("billing", "audit.update"):
        SystemLog.objects.create(timestamp=long_ago, category=category, message="m")
    with captured_records() as records:
        call_command("prune_system_logs", "--older-than=30d", verbosity=0)
    assert list(SystemLog.objects.filter(timestamp__lte=long_ago).values_list("category", flat=True)) == [
        "audit.update"
    ]
    assert [record.context["deleted"] for record in records if record.category == "audit.prune"] == [1]


ALL = {"keep": "30d"}
LEVEL = {"level": "DEBUG", "keep": "3d"}
OTHER = {"category": "billing", "keep": "3d"}
SHORT = {"category": "audit.*", "keep": "1y"}


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ([ALL], 0),
        ([LEVEL, ALL], 0),
        ([OTHER, ALL], 1),
        ([SHORT, ALL], 1),
        ([OTHER], 1),
        ([{**ALL, "category": "a*"}], 0),
    ],
)
def test_no_policy_decides_about_audit_records_without_naming_them(given: Any, place: int) -> None:
    policies = policies_in_force(read_policies(given), "archive")
    assert policies[place].categories == ("audit.*",)
    assert policies[place].archive
    assert len(policies) == len(given) + 1


def test_audit_records_stay_where_there_is_no_archive() -> None:
    assert policies_in_force(read_policies([ALL]), "")[0].keep is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("policy", "warned"),
    [(SHORT, True), ({"category": "audit.*", "keep": "8y"}, True), ({**SHORT, "keep": "8y", "archive": True}, False)],
)
def test_a_policy_that_shortens_the_seven_years_is_warned_of(settings: Any, policy: Any, warned: bool) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "RETENTION": [policy]}
    assert ("systemlog.W113" in [check.id for check in run_checks()]) == warned


@pytest.mark.django_db(transaction=True)
def test_audit_records_are_archived_before_they_are_deleted_after_seven_years(settings: Any, tmp_path: Path) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "RETENTION": [ALL], "ARCHIVE_DIR": str(tmp_path)}
    ages = {"young": 31, "six years old": 6 * 366, "eight years old": 8 * 366}
    for name, days in ages.items():
        moment = next_instant() - timedelta(days=days)
        SystemLog.objects.create(timestamp=moment, category="audit.update", message=name)
        SystemLog.objects.create(timestamp=moment, category="billing", message="noise")
    call_command("prune_system_logs", verbosity=0)
    kept = SystemLog.objects.filter(category__in=["audit.update", "billing"]).order_by("-timestamp")
    assert list(kept.values_list("message", flat=True)) == ["young", "six years old"]
    archived = b"".join(gzip.decompress(file.read_bytes()) for file in tmp_path.rglob("*.ndjson.gz"))
    assert b"eight years old" in archived
    assert b"noise" not in archived
