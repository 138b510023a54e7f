"""The policies of the settings. A policy says by which value requests are counted, and how many are admitted."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string

from systemlog.conf import conf
from systemlog.exceptions import SystemLogError
from systemlog.limits.clients import FORWARDED, limited_address, limited_peer
from systemlog.limits.gcra import SECOND_NS, Rate, make_rate
from systemlog.limits.stores.interface import KEY_BYTES
from systemlog.records.durations import parse_duration

Who = Callable[[HttpRequest], str | None]
"""Returns the value by which a request is counted; None for a request that is not limited."""

Client = tuple[bytes, str]
"""The key for a store, and the value by which requests are counted.

The key is a digest of the value, so that a store does not reveal addresses and users.
"""

RATE_LIMIT_POLICY = "RateLimit-Policy"
KEYS = {"name", "by", "quota", "window", "burst", "routes", "methods", "exempt"}
REQUIRED = ("name", "by", "quota", "window")
ADDRESS, USER = "ip", "user"
MAX_QUOTA = 10**9
MAX_WINDOW_S = 366 * 86_400
MAX_NAME_CHARACTERS = 40
MAX_KNOWN = 4096

_is_name = re.compile(r"[a-z0-9][a-z0-9_-]*", re.ASCII).fullmatch
_rate = re.compile(r"\s*([0-9]{1,10})\s*/\s*([0-9]{0,6})\s*([smhd])\s*", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One limit."""

    name: str
    by: str
    quota: int
    window_s: int
    rate: Rate
    identify: Callable[[HttpRequest], Client | None]
    """Returns by what a request is counted; None for a request that is not limited."""
    applies: Callable[[HttpRequest], bool] | None
    """Returns whether the policy limits a request; None if it limits every request."""
    header: tuple[str, str]
    """Name and value of the header `RateLimit-Policy` of a response that only this policy counts."""
    prefix: str
    """The beginning of the policy's item in the header `RateLimit`."""


class Policies(NamedTuple):
    """The policies in force: those by address, which the middleware applies, and the others, which need the user."""

    by_address: tuple[Policy, ...]
    others: tuple[Policy, ...]


class PolicyMistake(SystemLogError, ValueError):
    """A policy that cannot be used. The text completes the sentence "LIMITS[0] …"."""


def make_policy(given: Mapping[str, Any], *, namespace: str = "") -> Policy:
    """Return the policy of an entry of `LIMITS`. Raises `PolicyMistake`."""
    if wrong := next(_wrong_with(given), None):
        raise PolicyMistake(wrong)
    by, quota = given["by"], given["quota"]
    window_s = window_seconds(given["window"])
    name = given["name"]
    return Policy(
        name=name,
        by=by if isinstance(by, str) else getattr(by, "__qualname__", "function"),
        quota=quota,
        window_s=window_s,
        rate=make_rate(quota, window_s * SECOND_NS, given.get("burst") or quota),
        identify=_identifier(_who(by), f"{namespace}{name}"),
        applies=_matcher(*(tuple(given.get(key, ())) for key in ("routes", "methods", "exempt"))),
        header=(RATE_LIMIT_POLICY, f'"{name}";q={quota};w={window_s}'),
        prefix=f'"{name}";r=',
    )


def parse_rate(text: str) -> tuple[int, int]:
    """Return quota and window in seconds of a rate such as `5/1m` or `100/s`. Raises `PolicyMistake`."""
    match = _rate.fullmatch(text)
    if match is None:
        raise PolicyMistake(f"has the rate {text!r}, which does not look like 100/10s, 5/1m, 1000/h or 10000/1d")
    quota, number, unit = match.groups()
    return int(quota), window_seconds((number or "1") + unit)


def window_seconds(window: object) -> int:
    """Return the window, a number or a text such as `90s`, `15m`, `12h` or `1d`, in seconds. Raises `PolicyMistake`."""
    if isinstance(window, str):
        try:
            window = int(parse_duration(window).total_seconds())
        except ValueError as error:
            raise PolicyMistake(f"has a window that is no span of time. {str(error).rstrip('.')}") from None
    if not _is_whole(window, 1, MAX_WINDOW_S):
        raise PolicyMistake(f"has a window that is no number of whole seconds from 1 to {MAX_WINDOW_S}")
    return window  # type: ignore[return-value]  # a whole number


def policies() -> Policies:
    """Return the policies of the current settings, without unusable entries, which a system check names."""
    given = conf().LIMITS
    in_force = _in_force
    return in_force[1] if given is in_force[0] else _read(given)


def mistakes(given: Sequence[Any]) -> Iterator[tuple[int, str]]:
    """Yield the index of each mistaken entry of `LIMITS`, and the mistake."""
    names: set[str] = set()
    for place, entry in enumerate(given):
        try:
            policy = make_policy(entry)
        except PolicyMistake as mistake:
            yield place, str(mistake)
            continue
        if policy.name in names:
            yield place, f"has the name {policy.name!r}, which another one has"
        names.add(policy.name)


def user_key(request: HttpRequest) -> str | None:
    """Return the key of the authenticated user, the same for all tokens and sessions; None for an anonymous request."""
    user = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.is_authenticated else None


NONE = Policies((), ())
"""The policies of a project without limits."""

_in_force: tuple[object, Policies] = (None, NONE)


def _read(given: Sequence[Any]) -> Policies:
    global _in_force  # noqa: PLW0603  (made once for each value of the setting)
    made: dict[str, Policy] = {}
    for entry in given if isinstance(given, list | tuple) else ():
        try:
            policy = make_policy(entry)
        except PolicyMistake:
            continue
        made.setdefault(policy.name, policy)
    found = Policies(
        tuple(policy for policy in made.values() if policy.by == ADDRESS),
        tuple(policy for policy in made.values() if policy.by != ADDRESS),
    )
    _in_force = (given, found if made else NONE)
    return _in_force[1]


def _wrong_with(given: object) -> Iterator[str]:
    if not isinstance(given, Mapping):
        yield "is no dictionary"
        return
    for key in sorted(set(given) - KEYS, key=str):
        yield f"has {key!r}, which is none of {', '.join(sorted(KEYS))}"
    for key in REQUIRED:
        if key not in given:
            yield f"has no {key!r}"
            return
    name = given["name"]
    if not (isinstance(name, str) and len(name) <= MAX_NAME_CHARACTERS and _is_name(name)):
        yield f"has a name that is not of a-z, 0-9, '-' and '_', {MAX_NAME_CHARACTERS} at most"
    if not _is_whole(given["quota"], 1, MAX_QUOTA):
        yield f"has a quota that is no whole number from 1 to {MAX_QUOTA}"
    window_seconds(given["window"])
    if not (given.get("burst") is None or _is_whole(given["burst"], 1, MAX_QUOTA)):
        yield f"has a burst that is no whole number from 1 to {MAX_QUOTA}"
    elif window_seconds(given["window"]) * (given.get("burst") or 1) > MAX_WINDOW_S * given["quota"]:
        yield f"has a burst that the quota needs more than {MAX_WINDOW_S} seconds for"
    for key in ("routes", "methods", "exempt"):
        value = given.get(key, ())
        if not (isinstance(value, list | tuple | set) and all(isinstance(one, str) and one for one in value)):
            yield f"has {key} that are no list of texts"
    _who(given["by"])


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _who(by: object) -> Who:
    if by == ADDRESS:
        return limited_address
    if by == USER:
        return user_key
    if isinstance(by, str) and "." in by:
        try:
            by = import_string(by)
        except ImportError:
            raise PolicyMistake(f"is by {by!r}, which cannot be imported") from None
    if not callable(by):
        raise PolicyMistake("is not by 'ip', 'user' or the dotted path of a function")
    return by


def _matcher(
    routes: tuple[str, ...], methods: tuple[str, ...], exempt: tuple[str, ...]
) -> Callable[[HttpRequest], bool] | None:
    if not (routes or methods or exempt):
        return None
    wanted, spared = _pattern(routes), _pattern(exempt)
    names = {method.upper() for method in methods}

    @functools.lru_cache(maxsize=1024)
    def fits(path: str) -> bool:
        return (not routes or wanted(path) is not None) and (not exempt or spared(path) is None)

    return lambda request: (not names or request.method in names) and fits(request.path_info)


def _pattern(globs: tuple[str, ...]) -> Callable[[str], object]:
    return re.compile("|".join(fnmatch.translate(glob) for glob in globs)).match


def _identifier(who: Who, name: str) -> Callable[[HttpRequest], Client | None]:
    hasher = hashlib.blake2b(f"{name}\0".encode(), key=_secret(), digest_size=KEY_BYTES)

    @functools.lru_cache(maxsize=4096)
    def client(value: str | None) -> Client | None:
        if value is None:
            return None
        one = hasher.copy()
        one.update(value.encode("utf-8", "surrogatepass"))
        return one.digest(), value

    if who is not limited_address:
        return lambda request: client(who(request))

    known: dict[str, Client] = {}  # a dictionary takes half the time of the two caches

    def client_by_address(request: HttpRequest) -> Client | None:
        meta = request.META
        if FORWARDED in meta:
            return client(limited_address(request))
        peer = meta.get("REMOTE_ADDR") or ""
        found = known.get(peer)
        if found is None:
            found = client(limited_peer(peer))
            if found is not None:
                if len(known) >= MAX_KNOWN:
                    known.clear()
                known[peer] = found
        return found

    return client_by_address


def _secret() -> bytes:
    """Return the key of the digests. Without a secret, a client could compute whose row it shares."""
    return hashlib.blake2b(f"systemlog.limits{settings.SECRET_KEY}".encode(), digest_size=32).digest()
