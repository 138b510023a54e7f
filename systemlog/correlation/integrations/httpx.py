"""Adds the correlation headers to calls that httpx makes to configured hosts."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import httpx

from systemlog.correlation.outgoing import missing_headers

_ADDED = "systemlog.correlation"


class PropagateTo:
    """A request hook: `httpx.Client(event_hooks={"request": [PropagateTo([".example.com"])]})`, or AsyncClient."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self.hosts = list(hosts)

    def __call__(self, request: httpx.Request) -> _Done:
        """Add the headers that the caller has not set."""
        # httpx copies headers and extensions to the request that follows a redirect, and calls this again. Headers
        # that were added for the first host must not go to the next one.
        for name in request.extensions.get(_ADDED, ()):
            request.headers.pop(name, None)
        added = dict(missing_headers(self.hosts, request.url.host, request.headers))
        request.headers.update(added)
        request.extensions = {**request.extensions, _ADDED: tuple(added)}
        return _DONE


class _Done:
    """An awaitable that is already done. An AsyncClient awaits the result of its hooks, a Client ignores it."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


_DONE = _Done()
