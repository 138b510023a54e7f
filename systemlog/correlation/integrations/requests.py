"""Takes the correlation along on calls made with requests, to the hosts that are named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from systemlog.correlation.outgoing import missing_headers


class PropagatingAdapter(HTTPAdapter):
    """An adapter for a session: `session.mount("https://", PropagatingAdapter([".example.com"]))`."""

    __attrs__ = [*HTTPAdapter.__attrs__, "hosts"]

    def __init__(self, hosts: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hosts = list(hosts)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a copy with the headers that the caller has not set himself.

        The request itself stays as it is: requests makes the one that follows a redirect from it, and that may go
        to a host that is not named.
        """
        host = urlsplit(request.url or "").hostname or ""
        added = dict(missing_headers(self.hosts, host, request.headers))
        if added:
            request = request.copy()
            request.headers.update(added)
        return super().send(request, *args, **kwargs)
