"""The views of the failing site."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.views import View
from rest_framework import serializers
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from systemlog.problems.parameters import Parameters
from tests.problems.raising import SECRET, Unprintable, throw


class Item(serializers.Serializer[Any]):
    price = serializers.IntegerField(max_value=100)
    kind = serializers.ChoiceField(choices=["fruit", "root"], required=False)


class Order(serializers.Serializer[Any]):
    customer = serializers.CharField(max_length=10)
    items = Item(many=True, required=False)
    tags = serializers.ListField(child=serializers.CharField(max_length=4), required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["customer"] == "nobody":
            raise serializers.ValidationError("Nobody orders nothing.")
        return attrs


class Open(APIView):
    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    parser_classes = [JSONParser, FormParser, MultiPartParser]


class Orders(Open):
    def get(self, request: Request) -> Response:
        return Response({"orders": []})

    def post(self, request: Request) -> Response:
        order = Order(data=request.data)
        order.is_valid(raise_exception=True)
        return Response(order.data, status=201)


class ReturnedErrors(Open):
    def post(self, request: Request) -> Response:
        order = Order(data=request.data)
        order.is_valid()
        return Response(order.errors, status=int(request.GET.get("status", 400)))


class Raises(Open):
    authentication_classes = [BasicAuthentication]

    def get(self, request: Request, name: str) -> Response:
        return throw(name)

    post = get


class Details(Open):
    def get(self, request: Request, status: int) -> Response:
        return Response({"detail": "Sold a minute ago."}, status=status, headers={"X-Kept": "yes"})


class HandledByDrf(Open):
    """A view with DRF's own exception handler, such as another package may have."""

    def get_exception_handler(self) -> Any:
        return exception_handler

    def get(self, request: Request, name: str) -> Response:
        return throw(name)


class Members(Open):
    authentication_classes = [SessionAuthentication]

    def post(self, request: Request) -> Response:
        return Response({})


class ChecksCsrf(SessionAuthentication):
    """Authenticates every request, as a session would."""

    def authenticate(self, request: Request) -> None:
        self.enforce_csrf(request)


class Session(Open):
    authentication_classes = [ChecksCsrf]

    def post(self, request: Request) -> Response:
        return Response({})


class Page(Parameters):
    limit = serializers.IntegerField(min_value=1, default=20)


class Pages(Open):
    def get(self, request: Request) -> Response:
        return Response(Page.read(request))


class RendersBadly(Open):
    def get(self, request: Request) -> Response:
        return Response({"secret": Unprintable()})


class Nothing(Open):
    def get(self, request: Request, status: int) -> Response:
        return Response(status=status, headers={"X-Kept": "yes"})


class OnlyGet(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("here")


def raises(request: HttpRequest, name: str) -> HttpResponse:
    return throw(name)


async def raises_async(request: HttpRequest, name: str) -> HttpResponse:
    return throw(name)


def returns_nothing(request: HttpRequest, status: int) -> HttpResponse:
    response = HttpResponse(status=status, headers={"Retry-After": "0"})
    response.set_cookie("kept", "yes")
    return response


def returns_page(request: HttpRequest) -> HttpResponse:
    return HttpResponseBadRequest("<h1>No</h1>")


def returns_json(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"mine": True}, status=400)


def returns_none(request: HttpRequest) -> Any:
    return None


async def waits(request: HttpRequest) -> HttpResponse:
    await asyncio.Event().wait()
    return HttpResponse()


async def returns_none_async(request: HttpRequest) -> Any:
    return None


def redirects(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(f"javascript:{SECRET}")


def bad_header(request: HttpRequest) -> HttpResponse:
    return HttpResponse(headers={"X-Secret": f"{SECRET}\n"})


def missing_template(request: HttpRequest) -> HttpResponse:
    return render(request, f"{SECRET}.html")


def renders_badly(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, f"{SECRET}.html")


def reads_form(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"fields": dict(request.POST.items()), "files": {n: len(f) for n, f in request.FILES.items()}})


def reads_json(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"read": json.loads(request.body)})


def reads_stream(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.META["wsgi.input"].read(100))


def ignores_body(request: HttpRequest) -> HttpResponse:
    return HttpResponse("fine")


def recurses(request: HttpRequest) -> HttpResponse:
    return recurses(request)


def breaks_off(request: HttpRequest) -> StreamingHttpResponse:
    def content() -> Iterator[bytes]:
        yield b"first"
        raise ValueError(SECRET)

    return StreamingHttpResponse(content())


async def breaks_off_async(request: HttpRequest) -> StreamingHttpResponse:
    async def content() -> AsyncIterator[bytes]:
        yield b"first"
        raise ValueError(SECRET)

    return StreamingHttpResponse(content())


class Saboteur:
    """A middleware that raises what a header names: before the view, in `process_view`, or after the view."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self.get_response):
            return self._call_async(request)
        self.sabotage(request, "in")
        response = self.get_response(request)
        self.sabotage(request, "out")
        return self.replaced(request, response)

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        self.sabotage(request, "in")
        response: HttpResponseBase = await self.get_response(request)
        self.sabotage(request, "out")
        return self.replaced(request, response)

    def replaced(self, request: HttpRequest, response: Any) -> Any:
        """Return the response that a header asks for."""
        match request.headers.get("X-Return"):
            case None:
                return response
            case "None":
                return None
            case status:
                return HttpResponse(status=int(status))

    def process_view(self, request: HttpRequest, *view: Any) -> None:
        self.sabotage(request, "view")

    def sabotage(self, request: HttpRequest, where: str) -> None:
        if name := request.headers.get(f"X-Raise-{where}"):
            throw(name)


def failing_handler(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    raise ValueError(SECRET)


def forbidden_method(request: HttpRequest) -> HttpResponse:
    return HttpResponseNotAllowed(["PATCH"])
