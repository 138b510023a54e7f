"""The URLs of all protocols, with and without the trailing slash: a redirect would lose a POST."""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction
from django.urls import re_path

from systemlog.ingest.elastic import Elastic
from systemlog.ingest.otlp import OTLPLogs


def _outside_transactions(view: Any) -> Any:
    """What was taken stays taken, also where the project wraps each request in a transaction."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


urlpatterns = [
    re_path(r"^v1/logs/?\Z", _outside_transactions(OTLPLogs.as_view()), name="ingest-otlp"),
    re_path(r"^elastic(?:/(?P<path>.*))?\Z", _outside_transactions(Elastic.as_view()), name="ingest-elastic"),
]
