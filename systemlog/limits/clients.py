"""Where a request came from: the address by which it is limited.

Behind proxies that is the rightmost address of `X-Forwarded-For` that is no trusted proxy: what stands left of it was
written by the client, who may write anything.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Sequence

from django.http import HttpRequest

from systemlog.conf import conf
from systemlog.correlation.trusted_proxies import is_trusted

ANY = "*"
"""In a list of proxies: whoever connects is one."""

IPV6_CLIENT_BITS = 64
"""A client of IPv6 usually has all addresses of such a network."""

MAX_FORWARDED_CHARACTERS = 512
"""So much of the header is looked at, from its end."""


def limited_address(request: HttpRequest) -> str | None:
    """The address that the request is counted by; an IPv6 client's network. None where there is none to know."""
    meta = request.META
    return _limited(
        meta.get("REMOTE_ADDR") or "",
        meta.get("HTTP_X_FORWARDED_FOR", "")[-MAX_FORWARDED_CHARACTERS - 1 :],
        tuple(conf().TRUSTED_PROXIES),
    )


def client_address(peer: str, forwarded: str, proxies: Sequence[str]) -> str:
    """The address of the client, given that of the peer and the header; empty where there is none to know."""
    if len(forwarded) > MAX_FORWARDED_CHARACTERS:
        forwarded = forwarded[-MAX_FORWARDED_CHARACTERS:].partition(",")[2]  # the first hop may be cut
    believed = normal_address(peer) or ""
    for hop in reversed(forwarded.split(",")):
        if not hop.strip():
            continue
        if not (ANY in proxies or is_trusted(proxies, peer)):
            break
        address = normal_address(hop)
        if address is None:
            break  # the proxy does not know either
        believed = peer = address
        if ANY in proxies:
            break
    return believed


def normal_address(text: str) -> str | None:
    """The address without brackets, port and zone, an IPv4 address always in its own form; None where it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


@functools.lru_cache(maxsize=4096)
def _limited(peer: str, forwarded: str, proxies: tuple[str, ...]) -> str | None:
    address = client_address(peer, forwarded, proxies)
    if ":" not in address:
        return address or None
    return str(ipaddress.ip_network((address, IPV6_CLIENT_BITS), strict=False))
