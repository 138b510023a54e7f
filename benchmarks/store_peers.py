"""The peers in `benchmarks.store`: a plain table and django-auditlog, both with DRF's usual pagination."""

from __future__ import annotations

import importlib.util
from typing import Any

from django.urls import include, path
from rest_framework import serializers, viewsets
from rest_framework.pagination import PageNumberPagination

from benchmarks.models import PlainLog
from systemlog.models import Level


class Pagination(PageNumberPagination):
    """Pages by number: COUNT and OFFSET."""

    page_size = 200


class PlainLogSerializer(serializers.ModelSerializer[PlainLog]):
    """All fields."""

    class Meta:
        model = PlainLog
        fields = "__all__"


class PlainLogs(viewsets.ReadOnlyModelViewSet[PlainLog]):
    """The list as most projects write it first."""

    serializer_class = PlainLogSerializer
    pagination_class = Pagination

    def get_queryset(self) -> Any:
        """By the columns that have an index."""
        query = self.request.query_params
        wanted = {name: query[name] for name in ("level", "category", "correlation_id", "user_id") if name in query}
        if "min_level" in query:
            wanted["level__in"] = Level.from_severity(query["min_level"])
        return PlainLog.objects.filter(**wanted, **_times(query)).order_by("-timestamp")


def _times(query: Any) -> dict[str, str]:
    bounds = {"timestamp__gte": query.get("since"), "timestamp__lte": query.get("until")}
    return {name: value for name, value in bounds.items() if value}


urlpatterns = [
    path("", include("systemlog.api.urls")),
    path("plain/", PlainLogs.as_view({"get": "list"})),
]

if importlib.util.find_spec("auditlog"):
    from auditlog.models import LogEntry

    class LogEntrySerializer(serializers.ModelSerializer[LogEntry]):
        """All fields except the relations."""

        class Meta:
            model = LogEntry
            fields = ["id", "object_pk", "object_repr", "action", "changes", "cid", "timestamp", "additional_data"]

    class LogEntries(viewsets.ReadOnlyModelViewSet[LogEntry]):
        """A list like the one in the admin of django-auditlog."""

        serializer_class = LogEntrySerializer
        pagination_class = Pagination

        def get_queryset(self) -> Any:
            """By the columns that have an index."""
            query = self.request.query_params
            wanted = {name: query[name] for name in ("cid", "object_pk") if name in query}
            return LogEntry.objects.filter(**wanted, **_times(query)).order_by("-timestamp")

    urlpatterns.append(path("audit/", LogEntries.as_view({"get": "list"})))
