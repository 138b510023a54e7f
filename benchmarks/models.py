"""The plain table of `benchmarks.store`, as in a project that keeps its log in a model of its own."""

from __future__ import annotations

from django.db import models


class PlainLog(models.Model):
    """A record, with five single-column indexes (made after loading)."""

    timestamp = models.DateTimeField()
    level = models.TextField()
    category = models.TextField()
    source = models.TextField()
    message = models.TextField()
    correlation_id = models.TextField(null=True)
    user_id = models.TextField(null=True)
    context = models.JSONField()

    class Meta:
        db_table = "benchmarks_plainlog"

    def __str__(self) -> str:
        return self.message
