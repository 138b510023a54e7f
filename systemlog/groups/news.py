"""What happened to groups, for rules that tell people: a group that is new, and one that has come back.

last = 0
while True:
    for event in events_after(last):
        ...
        last = event.id
"""

from __future__ import annotations

from django.db.models import Max

from systemlog.conf import conf
from systemlog.groups.folding import catch_up
from systemlog.models import GroupEvent

MAX_EVENTS = 1000


def events_after(event_id: int, most: int = MAX_EVENTS) -> list[GroupEvent]:
    """Return the events with a higher id, in order. None is seen later with a lower id than one that was seen before.

    An event has the group's id, its kind (`new` or `regressed`), and level, category and source of the group then.
    """
    catch_up()
    return list(GroupEvent.objects.using(conf().DATABASE).filter(id__gt=event_id).order_by("id")[:most])


def last_event() -> int:
    """Return the id of the last event; 0 if there is none. A rule that begins now asks for events after it."""
    return GroupEvent.objects.using(conf().DATABASE).aggregate(last=Max("id"))["last"] or 0
