"""The URLs of the failing site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from tests.problems import views

urlpatterns = [
    path("", include("systemlog.problems.urls")),
    path("admin/", admin.site.urls),
    path("orders/", views.Orders.as_view()),
    path("returned-errors/", views.ReturnedErrors.as_view()),
    path("details/<int:status>/", views.Details.as_view()),
    path("handled-by-drf/<name>/", views.HandledByDrf.as_view()),
    path("members/", views.Members.as_view()),
    path("nothing/drf/<int:status>/", views.Nothing.as_view()),
    path("nothing/plain/<int:status>/", views.returns_nothing),
    path("raises/drf/<name>/", views.Raises.as_view()),
    path("raises/plain/<name>/", views.raises),
    path("raises/async/<name>/", views.raises_async),
    path("page/", views.returns_page),
    path("json/", views.returns_json),
    path("session/", views.Session.as_view()),
    path("pages/", views.Pages.as_view()),
    path("waits/", views.waits),
    path("none/async/", views.returns_none_async),
    path("redirects/", views.redirects),
    path("bad-header/", views.bad_header),
    path("template/", views.missing_template),
    path("renders-badly/", views.renders_badly),
    path("renders-badly/drf/", views.RendersBadly.as_view()),
    path("none/", views.returns_none),
    path("only-get/", views.OnlyGet.as_view()),
    path("forbidden-method/", views.forbidden_method),
    path("reads/form/", views.reads_form),
    path("reads/json/", views.reads_json),
    path("reads/stream/", views.reads_stream),
    path("ignores-body/", views.ignores_body),
    path("recurses/", views.recurses),
    path("breaks-off/sync/", views.breaks_off),
    path("breaks-off/async/", views.breaks_off_async),
]

handler400 = "systemlog.problems.views.handler400"
handler403 = "systemlog.problems.views.handler403"
handler404 = "systemlog.problems.views.handler404"
handler500 = "systemlog.problems.views.handler500"
