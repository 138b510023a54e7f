"""The models of the alerts: the state of each rule, the messages to receivers, and the process that evaluates."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Alert(models.Model):
    """The state of an alert rule: whether and since when it fires, and until when it is silenced.

    `spans` has the spans of time that messages have reported already, as pairs of microseconds since 1970.
    `complete_at` is when the whole look-back was last read, so that an outage of the evaluator leaves no gap.
    `last_event` is the id of the last event that a rule about error groups has seen; other rules have none.
    """

    rule = models.TextField(primary_key=True)
    state = models.TextField(default="inactive", db_default="inactive")
    alert_id = models.UUIDField(null=True)
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    fired_at = models.DateTimeField(null=True)
    value = models.BigIntegerField(null=True)
    threshold = models.BigIntegerField(null=True)
    told = models.BooleanField(default=False, db_default=False)
    labels = models.JSONField(default=dict)
    receivers = models.JSONField(default=list)
    spans = models.JSONField(default=list)
    last_seen = models.DateTimeField(null=True)
    complete_at = models.DateTimeField(null=True)
    last_event = models.BigIntegerField(null=True)
    error = models.TextField(default="", db_default="", blank=True)
    silenced_until = models.DateTimeField(null=True)
    silenced_by = models.TextField(default="", db_default="", blank=True)
    comment = models.TextField(default="", db_default="", blank=True)

    class Meta:
        db_table = "system_log_alert"
        default_permissions = ("change",)

    def __str__(self) -> str:
        return f"{self.rule}: {self.state}"


class AlertDelivery(models.Model):
    """A message to a receiver, stored in the transaction of the change of state that it reports, and sent later."""

    id = models.BigAutoField(primary_key=True)
    message_id = models.UUIDField(unique=True)
    receiver = models.TextField()
    rules = models.JSONField()
    alerts = models.JSONField()
    created_at = models.DateTimeField()
    next_at = models.DateTimeField()
    claimed_by = models.TextField(default="", db_default="", blank=True)
    tries = models.IntegerField(default=0, db_default=0)
    holds_all = models.BooleanField(default=True, db_default=True)
    done_at = models.DateTimeField(null=True)
    outcome = models.TextField(default="", db_default="", blank=True)

    class Meta:
        db_table = "system_log_alert_delivery"
        default_permissions = ()
        indexes = [
            models.Index(fields=["receiver", "id"], name="system_log_alert_waiting", condition=Q(done_at__isnull=True)),
            models.Index(fields=["done_at"], name="system_log_alert_done", condition=Q(done_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} to {self.receiver}"


class AlertEvaluator(models.Model):
    """A single row: which process evaluates the rules, until when its lease lasts, and how long an evaluation took."""

    id = models.SmallIntegerField(primary_key=True)
    holder = models.TextField(default="", db_default="")
    leased_until = models.DateTimeField(null=True)
    evaluated_at = models.DateTimeField(null=True)
    duration_s = models.FloatField(default=0, db_default=0)

    class Meta:
        db_table = "system_log_alert_evaluator"
        default_permissions = ()

    def __str__(self) -> str:
        return self.holder
