"""Who may read and who may write the system log."""

from __future__ import annotations

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from systemlog.ingest.authentication import ADD

VIEW = "systemlog.view_systemlog"


class SystemLogPermission(BasePermission):
    """Reading needs `view_systemlog`, writing `add_systemlog`; nothing is told to anonymous.

    A method that the view does not have passes for those who are known, so that they hear 405.
    """

    needed = {"GET": VIEW, "HEAD": VIEW, "POST": ADD}

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether the user has what the method needs."""
        if not request.user or not request.user.is_authenticated:
            return False
        permission = self.needed.get(request.method or "")
        return permission is None or request.user.has_perm(permission)
