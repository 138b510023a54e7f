"""The address of the client, by which a request is limited.

Behind proxies it is the rightmost address of `X-Forwarded-For` that is no trusted proxy. The client itself may have
written everything to the left of that address.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Sequence

from django.http import HttpRequest

from systemlog.conf import conf
from systemlog.correlation.trusted_proxies import is_trusted

FORWARDED = "HTTP_X_FORWARDED_FOR"
"""The header in `request.META`."""

ANY = "*"
"""In a list of proxies: every peer is a proxy."""

IPV6_CLIENT_BITS = 64
"""A client of IPv6 usually has all addresses of such a network."""

MAX_FORWARDED_CHARACTERS = 512
"""Number of characters of the header that are read, from its end."""


def limited_address(request: HttpRequest) -> str | None:
    """Return the address that the request is counted by, of an IPv6 client its network; None if it is unknown."""
    meta = request.META
    peer = meta.get("REMOTE_ADDR") or ""
    if FORWARDED not in meta:
        return limited_peer(peer)
    forwarded = meta[FORWARDED][-MAX_FORWARDED_CHARACTERS - 1 :]
    return _limited(peer, forwarded, tuple(conf().TRUSTED_PROXIES))


def limited_peer(peer: str) -> str | None:
    """Return the address that a request without the header is counted by; None if it is unknown."""
    return _limited(peer, "", ())


def client_address(peer: str, forwarded: str, proxies: Sequence[str]) -> str:
    """Return the client's address, given the peer's address and the header; an empty text if it is unknown."""
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
            break  # the proxy does not know the address of its client
        believed = peer = address
        if ANY in proxies:
            break
    return believed


def normal_address(text: str) -> str | None:
    """Return the address without brackets, port and zone, and IPv4 addresses in IPv4 form; None if it is no address."""
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
