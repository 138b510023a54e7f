"""The model of a record, and its queryset: records are added and read, and never changed."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn, cast

from django.db import models
from django.db.models import Q, Value
from django.utils import timezone

from systemlog.exceptions import SystemLogError
from systemlog.records.context_json import ContextDecoder
from systemlog.records.ids import EPOCH, mint_id, next_instant
from systemlog.records.row import COLUMNS, TABLE, Row
from systemlog.storage import get_storage
from systemlog.storage.conflicts import key_of
from systemlog.storage.defaults import MintedId, NowText
from systemlog.storage.group_counts import GROUP, identity_of_row
from systemlog.storage.witness import Keys

ADD_PERMISSION = "systemlog.add_systemlog"
VIEW_PERMISSION = "systemlog.view_systemlog"


class Level(models.TextChoices):
    """The severity of a record, in ascending order."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"

    @classmethod
    def from_severity(cls, minimum: str) -> list[str]:
        """Return the level `minimum` and all levels above it."""
        return cls.values[cls.values.index(minimum) :]


class RecordsAreNeverChanged(SystemLogError, TypeError):
    """Records of the system log cannot be changed, and only retention deletes them: use `prune_system_logs`."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


class RecordId(models.UUIDField):  # type: ignore[type-arg]  # Django's field is not subscriptable
    """A UUID primary key. Without a value, saving a record makes one from the record's timestamp."""

    def get_pk_value_on_save(self, instance: models.Model) -> uuid.UUID:
        """Return a UUIDv7 that contains the record's timestamp, so that the id alone tells the whole key."""
        return mint_id(instance.timestamp)  # type: ignore[attr-defined]  # a SystemLog after `normalize()`


class SystemLogQuerySet(models.QuerySet["SystemLog"]):
    """A queryset of records that can be added and read, but not changed or deleted."""

    def update(self, **kwargs: Any) -> NoReturn:
        """Raise `RecordsAreNeverChanged`."""
        raise RecordsAreNeverChanged

    def delete(self) -> NoReturn:
        """Raise `RecordsAreNeverChanged`."""
        raise RecordsAreNeverChanged

    def bulk_create(self, objs: Iterable[SystemLog], *args: Any, **kwargs: Any) -> list[SystemLog]:
        """Insert the records like Django's `bulk_create`. The partitions that they need are created first."""
        records = list(objs)
        for record in records:
            record.normalize()
        storage = get_storage(self.db)
        storage.ensure_partitions(record.timestamp for record in records)
        rows = [record.as_row() for record in records]
        if kwargs.get("ignore_conflicts"):
            known = storage.find_stored(row[:2] for row in rows if row.id)
            rows = [row for row in rows if not row.id or key_of(row.timestamp.astimezone(UTC), row.id) not in known]
        with (
            storage.noting(*_instants_and_keys(records)),
            storage.counting(rows, lambda: ((record.timestamp, record.id) for record in records)),
        ):
            return super().bulk_create(records, *args, **kwargs)

    bulk_create.alters_data = True  # type: ignore[attr-defined]  # templates must not call it


class SystemLog(models.Model):
    """A record of the system log: an event, with its time, its level and the request that it belongs to.

    The primary key in the database is `(timestamp, id)`; in Django's state it is `id`. An id that is a UUIDv7 contains
    the timestamp.
    """

    id = RecordId(primary_key=True, default=None, db_default=MintedId(), editable=False)
    timestamp = models.DateTimeField(default=next_instant, db_default=NowText())
    level = models.TextField(choices=Level.choices, default=Level.INFO, db_default=Level.INFO)
    category = models.TextField(default="general", db_default="general")
    source = models.TextField(default="", db_default="", blank=True)
    message = models.TextField()
    correlation_id = models.TextField(null=True, blank=True)
    user_id = models.TextField(null=True, blank=True)
    context = models.JSONField(
        default=dict, db_default=Value({}, models.JSONField()), blank=True, decoder=ContextDecoder
    )
    trace_id = models.TextField(null=True, blank=True)
    subject = models.TextField(null=True, blank=True)
    recorded_by = models.TextField(null=True, blank=True, editable=False)
    group = models.TextField(null=True, blank=True, editable=False, db_column=GROUP)

    objects = models.Manager.from_queryset(SystemLogQuerySet)()

    class Meta:
        db_table = TABLE
        ordering = ["-timestamp", "-id"]
        default_permissions = ("add", "view")
        verbose_name = "system log record"
        indexes = [
            models.Index(fields=["id"], name="system_logs_id"),
            models.Index(
                fields=["correlation_id"], name="system_logs_correlation", condition=Q(correlation_id__isnull=False)
            ),
            models.Index(fields=["trace_id"], name="system_logs_trace", condition=Q(trace_id__isnull=False)),
            models.Index(fields=["user_id", "timestamp"], name="system_logs_user", condition=Q(user_id__isnull=False)),
            models.Index(
                fields=["subject", "timestamp"], name="system_logs_subject", condition=Q(subject__isnull=False)
            ),
            models.Index(fields=["category", "timestamp"], name="system_logs_category"),
            # With level and category, so that a rare level or category is found in the index alone.
            models.Index(
                fields=["timestamp", "level", "category"],
                name="system_logs_grave",
                condition=Q(level__in=["ERROR", "CRITICAL"]),
            ),
            # With one CRITICAL record in twenty thousand, every other index needs more than 10 ms for a page of them.
            models.Index(fields=["category", "timestamp"], name="system_logs_critical", condition=Q(level="CRITICAL")),
            models.Index(fields=["group", "timestamp"], name="system_logs_group", condition=Q(group__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.timestamp:%Y-%m-%d %H:%M:%S} {self.level} {self.category}: {self.message[:80]}"

    def save_base(self, raw: bool = False, **kwargs: Any) -> None:  # type: ignore[override]  # passes the rest on
        """Insert the record; `loaddata` calls this too. Raises `RecordsAreNeverChanged` if it is stored already."""
        if not raw and not self._state.adding:
            raise RecordsAreNeverChanged
        self.normalize()
        storage = get_storage(kwargs.get("using") or type(self).objects.db)
        storage.ensure_partitions([self.timestamp])
        with (
            storage.noting(*_instants_and_keys([self])),
            storage.counting([self.as_row()], lambda: [(self.timestamp, self.id)]),
        ):
            super().save_base(raw=raw, **kwargs)

    def as_row(self) -> Row:
        """Return the record as a tuple of its columns."""
        return Row(*(getattr(self, column) for column in COLUMNS))

    def normalize(self) -> None:
        """Find the record's group, and convert the timestamp to an aware datetime, from any value that Django accepts.

        Raises `ValueError` for a timestamp before 1970 without an id, because a UUIDv7 cannot represent it.
        """
        timestamp = cast("models.DateTimeField[Any, Any]", self._meta.get_field("timestamp")).to_python(self.timestamp)
        if timestamp is not None and timezone.is_naive(timestamp):
            timestamp = timezone.make_aware(timestamp)
        if timestamp is not None and timestamp < EPOCH and self.id is None:
            raise ValueError("A record of the system log whose timestamp lies before 1970 needs an id of its own.")
        self.timestamp = timestamp
        identity = identity_of_row(self.as_row())
        self.group = identity and identity.id

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `RecordsAreNeverChanged`."""
        raise RecordsAreNeverChanged


def _instants_and_keys(records: Sequence[SystemLog]) -> tuple[Callable[[], set[datetime]], Keys]:
    """Return the arguments of `Storage.noting`: functions, because a record without an id gets one when stored."""
    return (
        lambda: {record.timestamp for record in records},
        lambda fits: [(record.timestamp, record.id) for record in records if fits(record.timestamp)],
    )
