"""The one table: a record of the system log, and the queryset that guards it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NoReturn, cast

from django.db import models
from django.db.models import Q, Value
from django.utils import timezone

from systemlog.records.context_json import ContextDecoder
from systemlog.records.ids import EPOCH, mint_id, next_instant
from systemlog.records.row import TABLE
from systemlog.storage import get_storage
from systemlog.storage.checkpoints import CHECKPOINTS
from systemlog.storage.defaults import MintedId, NowText
from systemlog.storage.rollup import ROLLUP


class Level(models.TextChoices):
    """How grave a record is, in rising order."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"

    @classmethod
    def from_severity(cls, minimum: str) -> list[str]:
        """The levels as grave as `minimum` and graver."""
        return cls.values[cls.values.index(minimum) :]


class RecordsAreNeverChanged(TypeError):
    """Records of the system log are never changed, and deleted by retention only: use `prune_system_logs`."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


class RecordId(models.UUIDField):  # type: ignore[type-arg]  # Django's field is not subscriptable
    """A UUID key that, where none is given, is minted from the record's own timestamp when it is saved."""

    def get_pk_value_on_save(self, instance: models.Model) -> uuid.UUID:
        """One instant makes both: the id alone then tells the key."""
        return mint_id(instance.timestamp)  # type: ignore[attr-defined]  # a SystemLog, settled


class SystemLogQuerySet(models.QuerySet["SystemLog"]):
    """Records, which can be added and read."""

    def update(self, **kwargs: Any) -> NoReturn:
        """Raise `RecordsAreNeverChanged`."""
        raise RecordsAreNeverChanged

    def delete(self) -> NoReturn:
        """Raise `RecordsAreNeverChanged`."""
        raise RecordsAreNeverChanged

    def bulk_create(self, objs: Iterable[SystemLog], *args: Any, **kwargs: Any) -> list[SystemLog]:
        """As Django's; the partitions that the records need are made first."""
        records = list(objs)
        for record in records:
            record.settle()
        storage = get_storage(self.db)
        storage.ensure_partitions(record.timestamp for record in records)
        with storage.counting(record.counted_by for record in records):
            return super().bulk_create(records, *args, **kwargs)

    bulk_create.alters_data = True  # type: ignore[attr-defined]  # as Django marks its own, for templates


class SystemLog(models.Model):
    """A record: something that happened, when, how grave, and in which request.

    The key in the database is `(timestamp, id)`; Django is told of `id`. A UUIDv7 carries the timestamp.
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
            # Level and category so that a rare one of them is picked out in the index.
            models.Index(
                fields=["timestamp", "level", "category"],
                name="system_logs_grave",
                condition=Q(level__in=["ERROR", "CRITICAL"]),
            ),
            # One in twenty thousand records: no other index comes to a page of them in less than 10 ms.
            models.Index(fields=["category", "timestamp"], name="system_logs_critical", condition=Q(level="CRITICAL")),
        ]

    def __str__(self) -> str:
        return f"{self.timestamp:%Y-%m-%d %H:%M:%S} {self.level} {self.category}: {self.message[:80]}"

    def save_base(self, raw: bool = False, **kwargs: Any) -> None:  # type: ignore[override]  # passes the rest on
        """Insert the record; raises `RecordsAreNeverChanged` for one that is stored. (`loaddata` comes here too.)"""
        if not raw and not self._state.adding:
            raise RecordsAreNeverChanged
        self.settle()
        storage = get_storage(kwargs.get("using") or type(self).objects.db)
        storage.ensure_partitions([self.timestamp])
        with storage.counting([self.counted_by]):
            super().save_base(raw=raw, **kwargs)

    @property
    def counted_by(self) -> tuple[datetime, str, str, str]:
        """What the roll-up counts it by."""
        return self.timestamp, self.source, self.category, self.level

    def settle(self) -> None:
        """Make the timestamp what it will be when it is read: an aware instant, whatever Django takes for one.

        Raises `ValueError` for one before 1970 without an id: a UUIDv7 cannot be made of it.
        """
        timestamp = cast("models.DateTimeField[Any, Any]", self._meta.get_field("timestamp")).to_python(self.timestamp)
        if timestamp is not None and timezone.is_naive(timestamp):
            timestamp = timezone.make_aware(timestamp)
        if timestamp is not None and timestamp < EPOCH and self.id is None:
            raise ValueError("A record of the system log whose timestamp lies before 1970 needs an id of its own.")
        self.timestamp = timestamp

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `RecordsAreNeverChanged`."""
        raise RecordsAreNeverChanged


class SystemLogRollup(models.Model):
    """How many records an hour has, by source, category and level. The database writes it: see `storage.rollup`.

    Several rows may stand for the same; their counts are to be added, and may be negative. A `delta` is what a writer
    appended and nobody has summed up yet.
    """

    id = models.BigAutoField(primary_key=True)
    hour = models.DateTimeField()
    source = models.TextField()
    category = models.TextField()
    level = models.TextField()
    count = models.BigIntegerField()
    delta = models.BooleanField(default=True, db_default=True)

    class Meta:
        db_table = ROLLUP
        default_permissions = ()
        verbose_name = "hour of the system log"
        indexes = [
            models.Index(fields=["hour"], name="system_log_rollup_hour"),
            models.Index(fields=["level", "hour", "category", "source"], name="system_log_rollup_level"),
            models.Index(fields=["category", "hour"], name="system_log_rollup_category"),
            # With the count, so that a month of a level is summed up from the index alone: in 2 ms in place of 6.
            models.Index(
                fields=["level", "hour", "count"],
                name="system_log_rollup_grave",
                condition=Q(level__in=["WARNING", "ERROR", "CRITICAL"]),
            ),
            models.Index(fields=["hour"], name="system_log_rollup_delta", condition=Q(delta=True)),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H} {self.source} {self.category} {self.level}: {self.count}"


class Checkpoint(models.Model):
    """How far a segment of the journal is in this database; it moves in the transaction that stores the records."""

    segment = models.UUIDField(primary_key=True)
    position = models.BigIntegerField(help_text="The byte up to which the segment is stored.")
    moved = models.DateTimeField()

    class Meta:
        db_table = CHECKPOINTS
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.segment} up to {self.position}"
