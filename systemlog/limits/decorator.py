"""The decorator `@limited("export", "5/1m", by="user")`, which limits one Django view, sync or async."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from systemlog.limits.admission import COUNTS, admit, counts_of
from systemlog.limits.headers import Count, write_headers
from systemlog.limits.policies import ADDRESS, USER, Policy, Who, make_policy, parse_rate
from systemlog.limits.refusal import may_block, refusal
from systemlog.problems import ProblemException

View = Callable[..., Any]

NAMESPACE = "view:"
"""Prefix of keys, so that policies of a view and of the settings with the same name count apart.

So do views that have the same name, but other rates.
"""


def limited(
    name: str, rate: str, *, by: str | Who = "ip", burst: int | None = None, methods: tuple[str, ...] = ()
) -> Callable[[View], View]:
    """Limit a view to `rate` (`5/1m`) for each address, each user, or each value that the function `by` returns.

    A request for which that value is None is not limited; with `user`, anonymous requests are not limited. Raises
    `PolicyMistake`.
    """
    quota, window_s = parse_rate(rate)
    given = {"name": name, "by": by, "quota": quota, "window": window_s, "burst": burst, "methods": methods}
    make_policy({**given, "by": by if by in (ADDRESS, USER) else str})  # so that a mistake is raised at the decorator

    @functools.cache
    def policy() -> Policy:
        # Made by the first request, because the function of a dotted path cannot be imported earlier.
        return make_policy(given, namespace=f"{NAMESPACE}{quota}/{window_s}:")

    def decorate(view: View) -> View:
        if iscoroutinefunction(view):

            @functools.wraps(view)
            async def limited_async(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
                if by == USER and hasattr(request, "auser"):
                    request.user = await request.auser()
                outer, counts = hasattr(request, COUNTS), counts_of(request)
                try:
                    # In a thread, because the store may wait for another host, and the function for a database.
                    await sync_to_async(admit, thread_sensitive=False)(request, (policy(),), counts)
                except ProblemException as exc:
                    refuse = sync_to_async(refusal) if may_block(request) else None
                    response = await refuse(request, exc) if refuse else refusal(request, exc)
                else:
                    response = await view(request, *args, **kwargs)
                return _with_headers(response, counts, outer)

            return limited_async

        @functools.wraps(view)
        def limited_sync(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            outer, counts = hasattr(request, COUNTS), counts_of(request)
            try:
                admit(request, (policy(),), counts)
            except ProblemException as exc:
                response = refusal(request, exc)
            else:
                response = view(request, *args, **kwargs)
            return _with_headers(response, counts, outer)

        return limited_sync

    return decorate


def _with_headers(response: HttpResponseBase, counts: list[Count], outer: bool) -> HttpResponseBase:
    """Write the headers into the response, unless the middleware will write them, and return it."""
    if counts and not outer:
        write_headers(response, counts)
    return response
