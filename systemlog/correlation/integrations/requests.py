"""Adds the correlation headers to calls that requests makes to configured hosts."""

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
        """Send a copy of the request with the headers that the caller has not set.

        The original request is not changed, because requests makes the one that follows a redirect from it, which may
        go to another host.
        """
        host = urlsplit(request.url or "").hostname or ""
        added = dict(missing_headers(self.hosts, host, request.headers))
        if added:
            request = request.copy()
            request.headers.update(added)
        return super().send(request, *args, **kwargs)
