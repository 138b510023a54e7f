"""The error groups on the operations page: how many are open, how many came back, and how many are new."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count, Q
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from systemlog.conf import conf
from systemlog.console.operations.registry import Part
from systemlog.console.operations.report import Cell, Fact, Report, State, Table
from systemlog.console.operations.words import count
from systemlog.models import VIEW_PERMISSION, Group
from systemlog.models.groups import Kind
from systemlog.models.groups import State as GroupState

DAY = timedelta(days=1)
SHOWN = 5


def read(user: Any) -> Report | None:
    """Return the numbers of groups and the unresolved groups seen last. Returns None if the user may not read them."""
    if not user.has_perm(VIEW_PERMISSION):
        return None
    groups = Group.objects.using(conf().DATABASE).filter(alias_of__isnull=True)
    numbers = groups.aggregate(
        open=Count("id", filter=Q(state=GroupState.OPEN)),
        regressed=Count("id", filter=Q(state=GroupState.REGRESSED)),
        new=Count("id", filter=Q(created_at__gte=timezone.now() - DAY)),
        others=Count("id", filter=Q(kind=Kind.OTHER, last_seen__gte=timezone.now() - DAY)),
    )
    facts = [
        Fact("Open", count(numbers["open"])),
        Fact("Came back", count(numbers["regressed"]), State.WARNING if numbers["regressed"] else State.NONE),
        Fact("New within a day", count(numbers["new"])),
    ]
    if numbers["others"]:
        facts.append(Fact("Sources with too many new errors", count(numbers["others"]), State.WARNING))
    to_mend = groups.filter(state__in=(GroupState.OPEN, GroupState.REGRESSED)).order_by("-last_seen", "-id")[:SHOWN]
    rows = [
        [Cell(group.title), Cell(group.get_state_display()), Cell(count(group.count), number=True)] for group in to_mend
    ]
    table = Table(("Seen last", "State", "Records"), rows) if rows else None
    try:
        link = reverse("admin:systemlog_group_changelist")
    except NoReverseMatch:
        link = ""
    state = State.WARNING if numbers["regressed"] else State.GOOD
    came_back = f" {count(numbers['regressed'])} came back." if numbers["regressed"] else ""
    return Report(
        f"{count(numbers['open'])} errors are open.{came_back}",
        state,
        facts,
        table,
        link=link,
        link_text="All error groups" if link else "",
    )


PART = Part("groups", "Errors", read, order=25)
