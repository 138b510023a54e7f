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
    """Applies every policy but those by `ip`: the middleware has done those, before anybody was asked for.

    A name for `DEFAULT_THROTTLE_CLASSES`. It does not answer False, as throttles do, but raises the refusal: what DRF
    makes of a False knows no policy. The headers of the answer are the middleware's to write.
    """

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Let the request in. Raises `TooManyRequests`, or `Unavailable`."""
        # Django's request, on which DRF has put the user that it found.
        admit_user(compat.django_request(request))
        return True
