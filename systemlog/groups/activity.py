"""The number of records of a group by hour, for the sparklines in a list of groups."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from django.db.models import Count
from django.db.models.functions import TruncHour
from django.utils import timezone

from systemlog.models import SystemLog
from systemlog.storage import BudgetSpent, get_storage

HOURS = 24
BUDGET_S = 0.25


def last_day(ids: Sequence[str], *, now: datetime | None = None) -> dict[str, list[int]]:
    """Return, for each group, the number of its records in each hour of the last day, the oldest first.

    The result is empty if counting takes longer than `BUDGET_S`.
    """
    now = now or timezone.now()
    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    storage = get_storage()
    found: dict[str, list[int]] = {}
    records = SystemLog.objects.using(storage.connection.alias).filter(
        group__in=ids, timestamp__gte=start, timestamp__lt=now + timedelta(hours=1)
    )
    hours = records.order_by().annotate(hour=TruncHour("timestamp")).values_list("group", "hour")
    with suppress(BudgetSpent), storage.budget() as allow:
        allow(BUDGET_S)
        counted = {group_id: [0] * HOURS for group_id in ids}
        for group_id, hour, number in hours.annotate(number=Count("*")):
            place = int((hour - start) / timedelta(hours=1))
            if group_id is not None and 0 <= place < HOURS:
                counted[group_id][place] += number
        found = counted
    return found
