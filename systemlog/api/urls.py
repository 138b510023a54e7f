"""The URLs of the log API, with and without the trailing slash, because a redirect would lose the body of a POST."""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction
from django.urls import re_path

from systemlog.api.export import ExportView
from systemlog.api.statistics import FacetsView, HistogramView
from systemlog.api.views import SystemLogViewSet


def _outside_transactions(view: Any) -> Any:
    """Return the view, exempt from ATOMIC_REQUESTS, so that an error does not roll back records stored before it."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


urlpatterns = [
    re_path(
        r"^logs/?\Z",
        _outside_transactions(SystemLogViewSet.as_view({"get": "list", "post": "create"})),
        name="system-log-list",
    ),
    re_path(r"^logs/histogram/?\Z", _outside_transactions(HistogramView.as_view()), name="system-log-histogram"),
    re_path(r"^logs/facets/?\Z", _outside_transactions(FacetsView.as_view()), name="system-log-facets"),
    re_path(r"^logs/export/?\Z", _outside_transactions(ExportView.as_view()), name="system-log-export"),
    re_path(
        r"^logs/(?P<pk>[^/]+)/?\Z",
        _outside_transactions(SystemLogViewSet.as_view({"get": "retrieve"})),
        name="system-log-detail",
    ),
]
