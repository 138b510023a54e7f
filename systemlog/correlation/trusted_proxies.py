"""The clients whose correlation ids and trace contexts are used: the setting `CORRELATION_TRUST`."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
from collections.abc import Iterable, Iterator, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ALL = "all"
NONE = "none"
UNIX = "unix"
"""In a list of proxies, stands for clients that connect through a Unix socket and have no address."""


def is_trusted(trust: str | Sequence[str], address: str) -> bool:
    """Return whether the client at `address` may choose the correlation id of its request."""
    if isinstance(trust, str):
        return trust == ALL
    return _is_among(tuple(trust), address)


@functools.lru_cache(maxsize=1024)
def _is_among(proxies: tuple[str, ...], address: str) -> bool:
    if not address:
        return UNIX in proxies
    try:
        peer = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    peer = getattr(peer, "ipv4_mapped", None) or peer
    return any(peer in network for network in _networks(proxies))


def _networks(proxies: Iterable[str]) -> Iterator[Network]:
    for proxy in proxies:
        with contextlib.suppress(ValueError):  # the system check systemlog.E010 reports it; here it matches no client
            if network := network_of(proxy):
                yield network


@functools.lru_cache(maxsize=256)
def network_of(proxy: str) -> Network | None:
    """Return the network that an entry of the list names; None for `unix`. Raises ValueError for an invalid entry."""
    return None if proxy == UNIX else ipaddress.ip_network(proxy)
