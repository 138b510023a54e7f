"""The models of `benchmarks.audit`: one for each trail, with the same fields."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import models


class Fields(models.Model):
    """A model of ten fields, including the key."""

    name = models.CharField(max_length=50)
    status = models.CharField(max_length=300, default="new")
    number = models.IntegerField()
    total = models.DecimalField(max_digits=10, decimal_places=2, default="1.50")
    paid = models.BooleanField(default=False)
    weight = models.FloatField(default=0.1)
    placed = models.DateTimeField(auto_now_add=True)
    note = models.TextField()
    other = models.IntegerField(null=True)

    class Meta:
        abstract = True


def _model(name: str, **more: Any) -> Any:
    return type(
        name, (Fields,), {"__module__": __name__, "Meta": type("Meta", (), {"app_label": "benchmarks"}), **more}
    )


MODELS: dict[str, Any] = {"nothing": _model("Nothing"), "ours": _model("Ours")}
if apps.is_installed("auditlog"):
    from auditlog.registry import auditlog

    MODELS["django-auditlog"] = _model("Auditlogged")
    auditlog.register(MODELS["django-auditlog"])
if apps.is_installed("simple_history"):
    from simple_history.models import HistoricalRecords

    MODELS["django-simple-history"] = _model("Simple", history=HistoricalRecords())
if apps.is_installed("pghistory"):
    import pghistory
    import pgtrigger

    events = (pghistory.InsertEvent, pghistory.UpdateEvent, pghistory.DeleteEvent)
    MODELS["pghistory, row"] = pghistory.track(*(event() for event in events))(_model("TrackedRow"))
    MODELS["pghistory, statement"] = pghistory.track(*(event(level=pgtrigger.Statement) for event in events))(
        _model("TrackedStatement")
    )
