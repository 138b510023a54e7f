"""Events of groups, for code that notifies people: a group is new, or a resolved group has regressed.

last = 0
while True:
    for event in events_after(last):
        ...
        last = event.id
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Max

from systemlog.conf import conf
from systemlog.groups.folding import catch_up
from systemlog.models import GroupEvent

MAX_EVENTS = 1000


def events_after(event_id: int, most: int = MAX_EVENTS) -> list[GroupEvent]:
    """Return up to `most` events with a higher id, in the order of their ids. None appears after one of a higher id.

    An event has the id of the group, its kind (`new` or `regressed`), and the level, category and source that the group
    had at that time.
    """
    catch_up()
    return list(GroupEvent.objects.using(conf().DATABASE).filter(id__gt=event_id).order_by("id")[:most])


def last_event_before(instant: datetime) -> int:
    """Return the id of the last event before an instant, or 0 if there is none."""
    events = GroupEvent.objects.using(conf().DATABASE).filter(at__lt=instant)
    return events.order_by("-at", "-id").values_list("id", flat=True).first() or 0


def last_event() -> int:
    """Return the id of the last event, or 0 if there is none. A new reader of events starts after this id."""
    return GroupEvent.objects.using(conf().DATABASE).aggregate(last=Max("id"))["last"] or 0
