"""Views that the decorator limits."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from systemlog.limits import limited


@limited("export", "2/1m")
def by_address(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


@limited("export-async", "2/1m")
async def by_address_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


@limited("mine", "1/h", by="user")
def by_user(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


@limited("mine-async", "1/h", by="user")
async def by_user_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


@limited("agents", "1/h", by=lambda request: request.headers.get("User-Agent"))
def by_agent(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns = [
    path("by-address", by_address),
    path("by-address-async", by_address_async),
    path("by-user", by_user),
    path("by-user-async", by_user_async),
    path("by-agent", by_agent),
]
