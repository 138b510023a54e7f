"""The endpoints of saved views: `/system/views/` and `/system/views/<id>/`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from systemlog.api.base import LogView
from systemlog.api.permissions import ReaderPermission
from systemlog.models import SavedView
from systemlog.problems import ContentNegotiation, InvalidParameters
from systemlog.problems.schema import may_raise
from systemlog.problems.types import Conflict
from systemlog.recording import record
from systemlog.records.fields import unstorable
from systemlog.records.ids import parse_id
from systemlog.records.times import represent_time

MAX_VIEWS = 200
"""A user may save this many views. The list has at most this many shared views of other users."""

MAX_QUERY_CHARACTERS = 8000
MAY_CHANGE, MAY_DELETE = "systemlog.change_savedview", "systemlog.delete_savedview"


class StorableText(serializers.CharField):
    """A text, and no number, without characters that PostgreSQL cannot store."""

    def to_internal_value(self, data: Any) -> str:
        """Return the text. Raises `ValidationError`."""
        if not isinstance(data, str):
            self.fail("invalid")
        text = str(super().to_internal_value(data))
        if unstorable.search(text):
            raise serializers.ValidationError("This has a NUL character or a lone surrogate.")
        return text


class StrictBoolean(serializers.BooleanField):
    """True or false, and no text or number that means the same."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the value. Raises `ValidationError`."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class NewSavedViewSerializer(serializers.Serializer[SavedView]):
    """A search that a user saves under a name."""

    name = StorableText(max_length=100)
    query = StorableText(
        max_length=MAX_QUERY_CHARACTERS, allow_blank=True, default="", help_text="The query string of the search."
    )
    shared = StrictBoolean(default=False, help_text="Whether everybody who may read the log sees it.")

    def to_internal_value(self, data: Any) -> Any:
        """Return the values. Raises `ValidationError`, also for unknown fields."""
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else set()
        if unknown:
            raise serializers.ValidationError({str(name)[:100]: ["There is no such field."] for name in unknown})
        return super().to_internal_value(data)


class SavedViewSerializer(serializers.Serializer[SavedView]):
    """A saved search."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    query = serializers.CharField(allow_blank=True)
    shared = serializers.BooleanField()
    owner = serializers.CharField(help_text="The name of the user who saved it.")
    updated = serializers.DateTimeField()
    editable = serializers.BooleanField(help_text="Whether the client may change it.")


class SavedViewsSerializer(serializers.Serializer[SavedView]):
    """The client's own views and the shared ones, by name."""

    items = SavedViewSerializer(many=True)


class SavedViewsBase(LogView):
    """The base class of both endpoints. Users who may read the log may use them."""

    permission_classes = [ReaderPermission]
    content_negotiation_class = ContentNegotiation
    parser_classes = [JSONParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check access, and refuse every query parameter but `format`."""
        super().initial(request, *args, **kwargs)
        if unknown := [name for name in request.query_params if name != "format"]:
            raise InvalidParameters({name[:100]: "There is no such parameter." for name in unknown})


class SavedViewListView(SavedViewsBase):
    """The views that a client sees, and a new one."""

    http_method_names = ["get", "head", "post"]

    @extend_schema(
        operation_id="system_views_list",
        summary="List saved views",
        description="The client's own views, and those that others share, by name.",
        responses={200: SavedViewsSerializer},
    )
    def get(self, request: Request) -> Response:
        """Return the client's own views and the shared ones."""
        own = SavedView.objects.filter(owner=_key(request))[:MAX_VIEWS]
        shared = SavedView.objects.filter(shared=True).exclude(owner=_key(request))[:MAX_VIEWS]
        found = sorted([*own, *shared], key=lambda view: (view.name.casefold(), view.name, view.id))
        return Response({"items": _represent(request, found)})

    @extend_schema(
        operation_id="system_views_create",
        summary="Save a view",
        request=NewSavedViewSerializer,
        responses={201: SavedViewSerializer},
    )
    @may_raise(Conflict)
    def post(self, request: Request) -> Response:
        """Save a view of the client's own."""
        given = NewSavedViewSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        if SavedView.objects.filter(owner=_key(request)).count() >= MAX_VIEWS:
            raise Conflict(f"A user may save {MAX_VIEWS} views. Delete one first.")
        view = SavedView.objects.create(owner=_key(request), **given.validated_data)
        _record_sharing(view, was_shared=False)
        location = f"{request.path.rstrip('/')}/{view.id}/"
        return Response(_represent(request, [view])[0], status=201, headers={"Location": location})


class SavedViewDetailView(SavedViewsBase):
    """One saved view."""

    http_method_names = ["get", "head", "put", "patch", "delete"]

    @extend_schema(operation_id="system_views_retrieve", summary="Read a saved view", responses=SavedViewSerializer)
    def get(self, request: Request, pk: str) -> Response:
        """Return the view."""
        return Response(_represent(request, [_find(request, pk)])[0])

    @extend_schema(
        operation_id="system_views_update",
        summary="Replace a saved view",
        request=NewSavedViewSerializer,
        responses=SavedViewSerializer,
    )
    def put(self, request: Request, pk: str) -> Response:
        """Replace the view."""
        return self._change(request, pk, partial=False)

    @extend_schema(
        operation_id="system_views_partial_update",
        summary="Change a saved view",
        request=NewSavedViewSerializer,
        responses=SavedViewSerializer,
    )
    def patch(self, request: Request, pk: str) -> Response:
        """Change the fields that the request has."""
        return self._change(request, pk, partial=True)

    @extend_schema(operation_id="system_views_destroy", summary="Delete a saved view", responses={204: None})
    def delete(self, request: Request, pk: str) -> Response:
        """Delete the view."""
        view = _find(request, pk)
        if not _may(request, view, MAY_CHANGE, MAY_DELETE):
            raise PermissionDenied
        _record_sharing(view, was_shared=view.shared, is_shared=False)
        view.delete()
        return Response(status=204)

    def _change(self, request: Request, pk: str, *, partial: bool) -> Response:
        view = _find(request, pk)
        if not _may(request, view, MAY_CHANGE):
            raise PermissionDenied
        given = NewSavedViewSerializer(data=request.data, partial=partial)
        given.is_valid(raise_exception=True)
        was_shared = view.shared
        for name, value in given.validated_data.items():
            setattr(view, name, value)
        view.save()
        _record_sharing(view, was_shared=was_shared)
        return Response(_represent(request, [view])[0])


def _find(request: Request, pk: str) -> SavedView:
    """Return the view of this id. Raises `NotFound` where there is none that the client may see."""
    view_id = parse_id(pk)
    view = SavedView.objects.filter(pk=view_id).first() if view_id else None
    if view is None or not (view.shared or _may(request, view, MAY_CHANGE, MAY_DELETE)):
        raise NotFound
    return view


def _may(request: Request, view: SavedView, *permissions: str) -> bool:
    """Whether the client owns the view, or has one of the permissions for all views."""
    return view.owner == _key(request) or any(map(request.user.has_perm, permissions))


def _key(request: Request) -> str:
    return str(request.user.pk)


def _represent(request: Request, views: Iterable[SavedView]) -> list[dict[str, Any]]:
    views = list(views)
    users: QuerySet[Any, Any] = get_user_model()._default_manager.filter(Q(pk__in={view.owner for view in views}))
    names = {str(user.pk): user.get_username() for user in users} if views else {}
    may_change = request.user.has_perm(MAY_CHANGE)
    return [
        {
            "id": str(view.id),
            "name": view.name,
            "query": view.query,
            "shared": view.shared,
            "owner": names.get(view.owner, ""),
            "updated": represent_time(view.updated),
            "editable": may_change or view.owner == _key(request),
        }
        for view in views
    ]


def _record_sharing(view: SavedView, *, was_shared: bool, is_shared: bool | None = None) -> None:
    """Record that a view is shared from now on, or is no longer."""
    is_shared = view.shared if is_shared is None else is_shared
    if is_shared and not was_shared:
        record("audit.share", "A saved view was shared", subject=view, name=view.name, query=view.query)
    elif was_shared and not is_shared:
        record("audit.unshare", "A saved view is shared no longer", subject=view, name=view.name, query=view.query)
