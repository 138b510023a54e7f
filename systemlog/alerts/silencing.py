"""Silences: a silenced rule still changes its state, but no message about it is sent before the silence ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction

from systemlog.alerts import outbox
from systemlog.alerts.records import SILENCED_CATEGORY
from systemlog.conf import conf
from systemlog.models import Alert
from systemlog.recording import record_atomically
from systemlog.records.times import represent_time

MAX_SILENCE = timedelta(days=366)


def silence(rule: str, span: timedelta, *, by: str, comment: str = "") -> datetime | None:
    """Silence a rule from now on. Returns when the silence ends. Raises `DatabaseError`.

    A span of 0 ends a silence, and None is returned. Messages about the rule that wait in the outbox are held back
    until the silence ends.
    """
    now = datetime.now(UTC)
    until = now + min(span, MAX_SILENCE)
    with transaction.atomic(using=conf().DATABASE):
        rows = Alert.objects.using(conf().DATABASE)
        rows.bulk_create([Alert(rule=rule)], ignore_conflicts=True)
        row = rows.select_for_update().get(pk=rule)
        row.silenced_until = until if span else None
        row.silenced_by, row.comment = (by[:200], comment[:1000]) if span else ("", "")
        row.save(update_fields=["silenced_until", "silenced_by", "comment"])
        outbox.hold_until(rule, until)
        record_atomically(
            SILENCED_CATEGORY,
            f"The alert {rule} is {'silenced' if span else 'no longer silenced'}.",
            using=conf().DATABASE,
            subject=f"alert:{rule}",
            rule=rule,
            until=represent_time(until) if span else None,
            by=by,
            comment=comment,
        )
    return row.silenced_until
