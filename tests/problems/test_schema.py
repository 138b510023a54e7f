"""The OpenAPI document: one Problem schema, and the possible errors of each operation."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db.models import PROTECT
from django.urls import path
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import OpenApiParameter, extend_schema
from drf_spectacular.validation import validate_schema
from rest_framework import serializers
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.filters import BaseFilterBackend, OrderingFilter, SearchFilter
from rest_framework.pagination import LimitOffsetPagination, PageNumberPagination
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from systemlog.problems.problem import MEDIA_TYPE
from systemlog.problems.schema import AutoSchema, may_raise
from tests.problems.raising import TEAPOT, OutOfStock


class Line(serializers.Serializer[Any]):
    price = serializers.IntegerField(max_value=100)


class Odd(serializers.Serializer[Any]):
    lines = Line(many=True)
    note = serializers.CharField(required=False, allow_blank=True, max_length=10)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "a/b": serializers.CharField(), "ä.ö": serializers.CharField()}


class Base(APIView):
    schema = AutoSchema()
    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []


class Plain(Base):
    @extend_schema(responses=Odd)
    def get(self, request: Request) -> Response:
        return Response({})

    @extend_schema(request=Odd, responses=Odd)
    @may_raise(OutOfStock)
    def post(self, request: Request) -> Response:
        return Response({})


@may_raise(TEAPOT)
class Guarded(Base):
    authentication_classes = [BasicAuthentication]
    permission_classes = [IsAuthenticated]

    @extend_schema(responses=Odd, parameters=[OpenApiParameter("q", str)])
    def get(self, request: Request, pk: str) -> Response:
        return Response({})


class GroupSerializer(serializers.ModelSerializer[Group]):
    class Meta:
        model = Group
        fields = ["name"]


class Pages(PageNumberPagination):
    page_size = 10


class Groups(ModelViewSet[Group]):
    schema = AutoSchema()
    queryset = Group.objects.order_by("pk")
    serializer_class = GroupSerializer
    authentication_classes = [SessionAuthentication, BasicAuthentication]
    permission_classes = [AllowAny]
    filter_backends = [SearchFilter, OrderingFilter]
    search_fields = ["name"]
    pagination_class: Any = LimitOffsetPagination


class IdFilter(BaseFilterBackend):
    """A filter that validates its parameter, as those of django-filter do."""

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [{"name": "id", "required": False, "in": "query", "schema": {"type": "integer"}}]


class FilteredGroups(Groups):
    filter_backends = [IdFilter]
    pagination_class = Pages


@pytest.fixture
def document() -> dict[str, Any]:
    """Return the OpenAPI document of the views above."""
    GENERATOR_STATS.reset()
    router = SimpleRouter()
    router.register("groups", Groups)
    router.register("filtered", FilteredGroups, basename="filtered")
    patterns = [path("plain/", Plain.as_view()), path("guarded/<str:pk>/", Guarded.as_view()), *router.urls]
    generated: dict[str, Any] = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
    return generated


def statuses(document: dict[str, Any], where: str, method: str) -> set[str]:
    """Return the error statuses of an operation."""
    return {status for status in document["paths"][where][method]["responses"] if status >= "4"}


def test_it_is_valid_and_warns_of_nothing(document: dict[str, Any]) -> None:
    validate_schema(document)
    assert not GENERATOR_STATS


def test_there_is_one_problem_schema_for_all(document: dict[str, Any]) -> None:
    assert set(document["components"]["schemas"]) == {
        "Group",
        "Line",
        "Odd",
        "PaginatedGroupList",
        "PatchedGroup",
        "Problem",
    }
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status >= "4":
                    assert response["content"] == {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_an_operation_has_the_statuses_that_it_can_have(document: dict[str, Any]) -> None:
    assert statuses(document, "/plain/", "get") == {"500"}
    assert statuses(document, "/plain/", "post") == {"400", "409", "413", "415", "500"}
    assert statuses(document, "/guarded/{id}/", "get") == {"400", "401", "403", "404", "418", "500", "503"}


def types(document: dict[str, Any], where: str, method: str) -> dict[str, set[str]]:
    """Return the slugs of an operation's problem types, by status."""
    return {
        status: {uri.rpartition("/")[2] for uri in response["x-problem-types"]}
        for status, response in document["paths"][where][method]["responses"].items()
        if status >= "4"
    }


def test_what_searches_sorts_and_cuts_refuses_nothing(document: dict[str, Any]) -> None:
    assert set(types(document, "/groups/", "get")) == {"403", "500", "503"}


def test_a_filter_can_be_wrong_and_a_page_missing(document: dict[str, Any]) -> None:
    found = types(document, "/filtered/", "get")
    assert found["400"] == {"validation-failed"}
    assert found["404"] == {"not-found"}


def test_without_a_challenge_failed_authentication_is_forbidden(document: dict[str, Any]) -> None:
    # DRF uses the challenge of the first authenticator, and a session has none.
    assert types(document, "/groups/", "get")["403"] == {"permission-denied"}
    assert types(document, "/groups/", "post")["403"] == {"permission-denied", "csrf-failed"}


def test_a_model_with_a_unique_field_can_be_in_conflict(document: dict[str, Any]) -> None:
    assert types(document, "/groups/", "post")["409"] == {"conflict"}
    assert types(document, "/groups/{id}/", "patch")["409"] == {"conflict"}
    assert "409" not in types(document, "/groups/{id}/", "delete")


def test_what_protected_rows_refer_to_cannot_be_deleted(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Group._meta.related_objects[0], "on_delete", PROTECT)
    document = request.getfixturevalue("document")
    assert types(document, "/groups/{id}/", "delete")["409"] == {"still-referenced"}


def test_types_of_its_own_are_named(document: dict[str, Any]) -> None:
    conflict = document["paths"]["/plain/"]["post"]["responses"]["409"]
    assert conflict["x-problem-types"] == ["/problems/out-of-stock"]
    assert "The order asks for more than there is." in conflict["description"]


def test_every_field_has_its_codes(document: dict[str, Any]) -> None:
    codes = document["paths"]["/plain/"]["post"]["responses"]["400"]["x-error-codes"]
    assert set(codes) == {"#", "#/lines", "#/lines/*", "#/lines/*/price", "#/note", "#/a~1b", "#/%C3%A4.%C3%B6"}
    assert "max_value" in codes["#/lines/*/price"]
    assert "min_value" not in codes["#/lines/*/price"]
    assert "required" in codes["#/a~1b"]
    assert "required" not in codes["#/note"]
