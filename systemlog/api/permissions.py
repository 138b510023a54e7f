"""The permissions that reading and writing the system log need."""

from __future__ import annotations

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from systemlog.models import ADD_PERMISSION, VIEW_PERMISSION


class SystemLogPermission(BasePermission):
    """Reading needs `view_systemlog`, writing `add_systemlog`. An anonymous client may do nothing.

    A method that the view does not have is permitted to authenticated users, so that they get 405 and not 403.
    """

    needed = {"GET": VIEW_PERMISSION, "HEAD": VIEW_PERMISSION, "POST": ADD_PERMISSION}

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the user has the permission that the method needs."""
        if not request.user or not request.user.is_authenticated:
            return False
        permission = self.needed.get(request.method or "")
        return permission is None or request.user.has_perm(permission)


class OwnMethodsPermission(SystemLogPermission):
    """The rules of `SystemLogPermission`, with permissions that are needed only for the methods that the view has."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the user has the permission that the method needs, if the view has the method."""
        if not request.user or not request.user.is_authenticated:
            return False
        has_method = (request.method or "").lower() in view.http_method_names
        return not has_method or bool(super().has_permission(request, view))


class ReaderPermission(OwnMethodsPermission):
    """Every method of the endpoint needs the permission to read the log."""

    needed = dict.fromkeys(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"), VIEW_PERMISSION)
