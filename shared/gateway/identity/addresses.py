"""The addresses that a key may be used from: networks in CIDR notation, IPv4 and IPv6. No network means any address.

The address is the one that the endpoint's API reports (API Gateway's `sourceIp`), never one from a client's header.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from gateway import context, observability
from gateway.errors import Forbidden

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    Network = IPv4Network | IPv6Network


def canonical(text: str) -> str:
    """A network or a single address in the form in which it is kept. Raises ValueError, which says what is wrong."""
    from ipaddress import ip_network  # only keys that have networks pay for it

    try:
        if "%" in text:  # a zone is a local name of any characters, and no request comes from one
            raise ValueError(text)
        network = ip_network(text)
    except ValueError as fault:
        reason = (
            "has bits set after its prefix"
            if "host bits" in str(fault)
            else "is not an address or a network in CIDR form"
        )
        raise ValueError(f"{reason}, such as 192.0.2.0/24 or 2001:db8::/32") from None
    if network.version == 6 and network.network_address.ipv4_mapped is not None:
        raise ValueError("is an IPv4 network in IPv6's form: write it as IPv4")
    return str(network)


def check_address(allowed: tuple[str, ...], key_id: str) -> None:
    """Raises Forbidden if the current request comes from none of these networks. The message contains what the caller
    knows, its own address, and none of the networks."""
    if not allowed:
        return
    source = context.current().source
    if not within(source, allowed):
        observability.log.warning("address refused", extra={"source": source, "refused_key": key_id})
        raise Forbidden(f"This API key may not be used from {source or 'here'}.", code="address_not_allowed")


@lru_cache(maxsize=4_096)
def within(address: str, networks: tuple[str, ...]) -> bool:
    """Whether an address lies in one of the networks. Text that is not an address lies in none."""
    from ipaddress import ip_address

    try:
        found = ip_address(address)
    except ValueError:
        return False
    if found.version == 6 and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in _parsed(networks))


@lru_cache(maxsize=4_096)
def neighbourhood(address: str) -> str:
    """The range of addresses that one client may have: for IPv6, a whole /64. Text that is not an address is returned
    as it is."""
    if ":" not in address:
        return address
    from ipaddress import IPv6Address

    try:
        found = IPv6Address(address)
    except ValueError:
        return address
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))


def covers(networks: tuple[str, ...], others: Iterable[str]) -> bool:
    """Whether all of the others lie in these networks, however they are split up. No network means all addresses."""
    from ipaddress import collapse_addresses, ip_network

    asked = tuple(others)
    if not networks or not asked:
        return not networks
    own = _parsed(networks)
    whole: list[Network] = [
        *collapse_addresses(each for each in own if each.version == 4),
        *collapse_addresses(each for each in own if each.version == 6),
    ]
    return all(_lies_in(ip_network(other), whole) for other in asked)


def _lies_in(network: Network, others: Iterable[Network]) -> bool:
    return any(
        other.version == network.version and network.subnet_of(other)  # type: ignore[arg-type]  # of one version
        for other in others
    )


@lru_cache(maxsize=1_024)
def _parsed(networks: tuple[str, ...]) -> tuple[Network, ...]:
    from ipaddress import ip_network

    return tuple(ip_network(network) for network in networks)
