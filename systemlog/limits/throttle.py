"""The throttle class for Django REST framework: policies by `user`, and by functions of the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.throttling import BaseThrottle

from systemlog import compat
from systemlog.limits.admission import admit_user

if TYPE_CHECKING:
    # DRF imports its throttle classes while it is making its views.
    from rest_framework.request import Request
    from rest_framework.views import APIView


class LimitThrottle(BaseThrottle):
    """Applies every policy except those by `ip`, which the middleware has applied before authentication.

    It is for `DEFAULT_THROTTLE_CLASSES`. Other throttles return False to refuse a request; this one raises the problem,
    because the exception that DRF would raise does not name the policy. The middleware writes the headers.
    """

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Return True if the request is admitted. Raises `TooManyRequests`, or `Unavailable`."""
        # Django's request. DRF has set its user.
        admit_user(compat.django_request(request))
        return True
