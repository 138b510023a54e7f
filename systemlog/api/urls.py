"""The URLs of the log API, with and without the trailing slash, because a redirect would lose the body of a POST."""

from __future__ import annotations

from django.urls import re_path

from systemlog.api.alerts import AlertsView
from systemlog.api.context_fields import ContextFieldsView
from systemlog.api.export import ExportView
from systemlog.api.groups import GroupsView, GroupView
from systemlog.api.neighbors import AroundView
from systemlog.api.patterns import PatternsView
from systemlog.api.saved_views import SavedViewDetailView, SavedViewListView
from systemlog.api.statistics import FacetsView, HistogramView
from systemlog.api.tail import TailView
from systemlog.api.views import SystemLogViewSet
from systemlog.ingest.endpoint import outside_transactions

urlpatterns = [
    re_path(r"^alerts/?\Z", outside_transactions(AlertsView.as_view()), name="system-alerts"),
    re_path(
        r"^logs/?\Z",
        outside_transactions(SystemLogViewSet.as_view({"get": "list", "post": "create"})),
        name="system-log-list",
    ),
    re_path(r"^logs/histogram/?\Z", outside_transactions(HistogramView.as_view()), name="system-log-histogram"),
    re_path(r"^logs/facets/?\Z", outside_transactions(FacetsView.as_view()), name="system-log-facets"),
    re_path(r"^logs/patterns/?\Z", outside_transactions(PatternsView.as_view()), name="system-log-patterns"),
    re_path(r"^logs/export/?\Z", outside_transactions(ExportView.as_view()), name="system-log-export"),
    re_path(r"^logs/tail/?\Z", outside_transactions(TailView.as_view()), name="system-log-tail"),
    re_path(r"^logs/fields/?\Z", outside_transactions(ContextFieldsView.as_view()), name="system-log-fields"),
    re_path(r"^logs/(?P<pk>[^/]+)/around/?\Z", outside_transactions(AroundView.as_view()), name="system-log-around"),
    re_path(r"^groups/?\Z", outside_transactions(GroupsView.as_view()), name="system-log-groups"),
    re_path(
        r"^groups/(?P<pk>[^/]+)/?\Z",
        outside_transactions(GroupView.as_view()),
        name="system-log-group",
    ),
    re_path(
        r"^logs/(?P<pk>[^/]+)/?\Z",
        outside_transactions(SystemLogViewSet.as_view({"get": "retrieve"})),
        name="system-log-detail",
    ),
    re_path(r"^views/?\Z", SavedViewListView.as_view(), name="system-views"),
    re_path(r"^views/(?P<pk>[^/]+)/?\Z", SavedViewDetailView.as_view(), name="system-view"),
]
