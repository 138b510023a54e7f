"""The URLs of all protocols, with and without the trailing slash, because a redirect would lose the body of a POST."""

from __future__ import annotations

from django.urls import re_path

from systemlog.ingest.elastic import Elastic
from systemlog.ingest.endpoint import Nothing, outside_transactions
from systemlog.ingest.journald import Journald
from systemlog.ingest.loki import LokiPush, LokiReady
from systemlog.ingest.otlp import OTLPLogs

urlpatterns = [
    re_path(r"^v1/logs/?\Z", outside_transactions(OTLPLogs.as_view()), name="ingest-otlp"),
    re_path(r"^elastic(?:/(?P<path>[\s\S]*))?\Z", outside_transactions(Elastic.as_view()), name="ingest-elastic"),
    re_path(r"^journald/upload/?\Z", outside_transactions(Journald.as_view()), name="ingest-journald"),
    re_path(r"^loki/api/v1/push/?\Z", outside_transactions(LokiPush.as_view()), name="ingest-loki"),
    re_path(r"^loki/ready/?\Z", outside_transactions(LokiReady.as_view()), name="ingest-loki-ready"),
    re_path(r"^(?:journald|loki)(?:/[\s\S]*)?\Z", Nothing.as_view(), name="ingest-nothing"),
]
