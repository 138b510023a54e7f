"""`regroup_system_logs` counts everything anew, and changes nothing where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from systemlog.fingerprints import lines, records
from systemlog.groups import folding, regrouping, succession
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
    execute("UPDATE system_log_group SET count = 77, users = 0, releases = '[\"9\"]', last_seen = first_seen")
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


@pytest.fixture
def use_rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """A function that changes the number of the rules, as an upgrade does."""

    def use(number: int) -> None:
        for module in (records, succession, regrouping, folding):
            monkeypatch.setattr(module, "ALGORITHM", number)
        lines.forget()

    yield use
    lines.forget()


def ids(groups: Groups) -> dict[str, str]:
    return {group["title"]: group["id"] for group in groups()}


def test_newer_rules_keep_the_states_of_groups(
    land: Land, client: Client, groups: Groups, use_rules: Callable[[int], None]
) -> None:
    land(error(), error("b"))
    old = ids(groups)["order * failed"]
    client.patch(f"/system/groups/{old}/", {"state": "ignored", "assigned_to": "anna"}, "application/json")
    use_rules(2)
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


def test_ids_of_all_earlier_rules_find_the_records(
    land: Land, client: Client, groups: Groups, use_rules: Callable[[int], None]
) -> None:
    land(error(), error(), error("b"))
    earlier = [ids(groups)["order * failed"]]
    for number in (2, 3):
        use_rules(number)
        regroup()
        earlier.append(ids(groups)["order * failed"])
    assert len(set(earlier)) == 3
    for group in earlier:
        for parameters in ({"group": group}, {"query": f"group:{group}"}, {"group": group, "level": "ERROR"}):
            found = client.get("/system/logs/", parameters).json()
            assert (found["total"], {item["group"] for item in found["items"]}) == (2, {earlier[-1]})
        for parameters in ({"group!": group}, {"query": f"-group:{group}"}):
            messages = {item["message"] for item in client.get("/system/logs/", parameters).json()["items"]}
            assert "b" in messages
            assert "order 7 failed" not in messages
        assert client.get(f"/system/groups/{group}/").json()["id"] == earlier[-1]


def test_a_group_keeps_what_it_knew_of_removed_records_under_newer_rules(
    land: Land, groups: Groups, use_rules: Callable[[int], None]
) -> None:
    land(error(ago=timedelta(days=9), user_id="u1", context={"release": "1"}), error(user_id="u2"))
    prune([Policy(keep=timedelta(days=5))], trust_clock=True)
    (before,) = groups()
    assert (before["count"], before["pruned"], before["users"], before["releases"]) == (1, 1, 2, ["1"])
    use_rules(2)
    land(error(user_id="u3", context={"release": "2"}))
    assert len(groups()) == 2
    regroup()
    (after,) = groups()
    assert (after["count"], after["pruned"], after["users"], after["releases"]) == (2, 1, 3, ["1", "2"])
    assert after["first_seen"] == before["first_seen"]
    assert "0 records got another group; 0 groups made, 0 mended" in regroup()


@pytest.mark.parametrize(("ago", "state"), [(timedelta(0), "regressed"), (timedelta(minutes=5), "resolved")])
def test_a_resolved_error_that_came_back_under_newer_rules_is_regressed(
    land: Land, client: Client, groups: Groups, use_rules: Callable[[int], None], ago: timedelta, state: str
) -> None:
    land(error(ago=timedelta(hours=1)))
    client.patch(f"/system/groups/{ids(groups)['order * failed']}/", {"state": "resolved"}, "application/json")
    use_rules(2)
    land(error(ago=ago))
    regroup()
    assert [group["state"] for group in groups()] == [state]


def test_each_part_of_a_group_that_newer_rules_split_keeps_its_state(
    land: Land, client: Client, groups: Groups, use_rules: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    land(error("order 7 failed"), error("order 8 failed"))
    old = ids(groups)["order * failed"]
    client.patch(f"/system/groups/{old}/", {"state": "ignored"}, "application/json")
    use_rules(2)
    monkeypatch.setattr(records, "mask", lambda message: message)
    regroup()
    assert {(group["title"], group["state"], group["count"]) for group in groups()} == {
        ("order 7 failed", "ignored", 1),
        ("order 8 failed", "ignored", 1),
    }
    assert client.get(f"/system/groups/{old}/").json()["title"] in ("order 7 failed", "order 8 failed")
    assert "0 records got another group; 0 groups made, 0 mended" in regroup()


def test_a_group_of_many_releases_or_users_is_not_changed(land: Land, groups: Groups) -> None:
    land(*(error(context={"release": str(number)}) for number in range(13)))
    land(*(error("b", user_id=f"u{number}") for number in range(1010)))
    groups()
    before = everything()
    assert "0 mended" in regroup()
    assert everything() == before


def test_a_record_is_changed_in_nothing_but_its_group(land: Land) -> None:
    land(error())
    with pytest.raises(Exception, match="never changed"):
        execute("UPDATE system_logs SET message = 'x', group_id = 'aaaaaaaa'")
