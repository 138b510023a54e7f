"""The URLs of all protocols, with and without the trailing slash: a redirect would lose a POST."""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction
from django.urls import re_path

from systemlog.ingest.elastic import Elastic
from systemlog.ingest.endpoint import Nothing
from systemlog.ingest.journald import Journald
from systemlog.ingest.loki import LokiPush, LokiReady
from systemlog.ingest.otlp import OTLPLogs


def _outside_transactions(view: Any) -> Any:
    """What was taken stays taken, also where the project wraps each request in a transaction."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


urlpatterns = [
    re_path(r"^v1/logs/?\Z", _outside_transactions(OTLPLogs.as_view()), name="ingest-otlp"),
    re_path(r"^elastic(?:/(?P<path>[\s\S]*))?\Z", _outside_transactions(Elastic.as_view()), name="ingest-elastic"),
    re_path(r"^journald/upload/?\Z", _outside_transactions(Journald.as_view()), name="ingest-journald"),
    re_path(r"^loki/api/v1/push/?\Z", _outside_transactions(LokiPush.as_view()), name="ingest-loki"),
    re_path(r"^loki/ready/?\Z", _outside_transactions(LokiReady.as_view()), name="ingest-loki-ready"),
    re_path(r"^(?:journald|loki)(?:/[\s\S]*)?\Z", Nothing.as_view(), name="ingest-nothing"),
]
