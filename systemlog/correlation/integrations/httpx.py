"""Takes the correlation along on calls made with httpx, to the hosts that are named."""

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
        """Add the headers that the caller has not set himself."""
        # httpx copies headers and extensions of a request to the one that follows its redirect, and calls this
        # again: what was added for the first host must not go to the next.
        for name in request.extensions.get(_ADDED, ()):
            request.headers.pop(name, None)
        added = dict(missing_headers(self.hosts, request.url.host, request.headers))
        request.headers.update(added)
        request.extensions = {**request.extensions, _ADDED: tuple(added)}
        return _DONE


class _Done:
    """Can be awaited and need not be: an AsyncClient awaits what its hooks return, a Client does not."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


_DONE = _Done()
