"""`regroup_system_logs` counts everything anew, and changes nothing where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from systemlog.fingerprints import lines, records
from systemlog.groups import folding, regrouping
from systemlog.models import Group, GroupEvent, GroupUser, SystemLog
from systemlog.retention.prune import prune
from systemlog.storage.expiry import Policy
from tests.fingerprints.samples import CHANGES, PYTHON
from tests.groups.conftest import error
from tests.support.landing import execute

pytestmark = pytest.mark.django_db(transaction=True)

Land = Callable[..., None]
Groups = Callable[..., list[dict[str, Any]]]


def regroup() -> str:
    out = StringIO()
    call_command("regroup_system_logs", stdout=out)
    return out.getvalue()


def everything() -> list[Any]:
    return [
        list(Group.objects.order_by("id").values()),
        sorted(GroupUser.objects.values_list("group_id", "user")),
        sorted(SystemLog.objects.values_list("id", "group")),
        GroupEvent.objects.count(),
    ]


def test_nothing_is_changed_where_nothing_is_wrong(
    land: Land, client: Client, groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "MAX_NEW", 3)
    monkeypatch.setattr(regrouping, "MAX_NEW", 3)
    land(error(user_id="u1", context={"release": "1"}), error(ago=timedelta(days=9), context={"release": 2}))
    land(error("failed", context={"exception": PYTHON.format(**CHANGES[0])}), error("old", ago=timedelta(days=9)))
    land(*(error(f"kind {'x' * n}", source="there") for n in range(6)), error(level="CRITICAL", user_id="u2"))
    client.patch(f"/system/groups/{groups()[0]['id']}/", {"state": "ignored"}, "application/json")
    prune([Policy(keep=timedelta(days=5))], trust_clock=True)
    groups()
    before = everything()
    assert "0 records got another group; 0 groups made, 0 mended" in regroup()
    assert everything() == before
    assert "other" in {group["kind"] for group in groups()}


def test_what_is_wrong_is_mended(land: Land, groups: Groups) -> None:
    land(error(user_id="u1", context={"release": "1"}), error(user_id="u2"), error("b"), error("c"))
    right = groups()
    execute("UPDATE system_log_group SET count = 77, users = 0, releases = '[]', last_seen = first_seen")
    execute("DELETE FROM system_log_group_user")
    execute("UPDATE system_logs SET group_id = NULL WHERE message = 'b'")
    execute("DELETE FROM system_log_group WHERE title = 'c'")
    assert "1 record got another group; 1 group made, 2 mended" in regroup()
    assert sorted(groups(), key=str) == sorted(right, key=str)


def test_records_of_before_an_upgrade_get_groups_without_telling_anybody(land: Land, groups: Groups) -> None:
    land(error(), error(), error("b", level="WARNING"))
    groups()
    execute("UPDATE system_logs SET group_id = NULL")
    for table in ("system_log_group", "system_log_group_event"):
        execute(f"DELETE FROM {table}")
    regroup()
    assert [(group["title"], group["count"]) for group in groups()] == [("order * failed", 2)]
    assert not GroupEvent.objects.exists()


def test_newer_rules_keep_the_states_of_groups(
    land: Land, client: Client, groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(error(), error("b"))
    old = next(group["id"] for group in groups() if group["title"] == "order * failed")
    client.patch(f"/system/groups/{old}/", {"state": "ignored", "assigned_to": "anna"}, "application/json")
    with monkeypatch.context() as patch:
        for module in (records, regrouping, folding):
            patch.setattr(module, "ALGORITHM", 2)
        lines.forget()
        regroup()
        found = groups()
        assert {(group["title"], group["count"], group["state"]) for group in found} == {
            ("order * failed", 1, "ignored"),
            ("b", 1, "open"),
        }
        assert old not in {group["id"] for group in found}
        now = client.get(f"/system/groups/{old}/").json()
        assert (now["state"], now["assigned_to"]) == ("ignored", "anna")
        assert "0 records got another group; 0 groups made, 0 mended" in regroup()
    lines.forget()


def test_a_record_is_changed_in_nothing_but_its_group(land: Land) -> None:
    land(error())
    with pytest.raises(Exception, match="never changed"):
        execute("UPDATE system_logs SET message = 'x', group_id = 'aaaaaaaa'")
