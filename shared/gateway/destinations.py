"""Where a provider may be: the form of its base URL, and the addresses that its host name resolves to.

A base URL may come from an admin, and the provider's key is sent there. So it must be https, and it must never lead to
this machine, to a service on it (Lambda's runtime API, credentials, instance metadata), or to an address that is not a
host's. A private address is allowed: it may be a host inside the VPC. The addresses are checked at each connection,
since a name may point elsewhere later than when it was configured.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from msgspec import Struct

from gateway.sockets import AddressInfo, Resolve, addresses_of

_ANY_CASE = re.ASCII | re.IGNORECASE
_URL = re.compile(r"(https?)://(\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253})(:[0-9]{1,5})?(/[A-Za-z0-9._~%/-]*)?", _ANY_CASE)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", _ANY_CASE)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", _ANY_CASE)  # as the last label, it makes the host a number
_NEVER = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # "this network": connects to this machine
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local: instance metadata, credentials, X-Ray's daemon
        "192.0.0.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "::/96",  # the unspecified address, and IPv4 in an old spelling
        "::ffff:0:0/96",  # IPv4 spelled as IPv6
        "::ffff:0:0:0/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/32",  # tunnels to IPv4
        "2002::/16",
        "fd00:ec2::/32",  # AWS's own services on an instance: metadata, DNS, time
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))
_NAT64 = ip_network("64:ff9b::/96")  # how an IPv6-only subnet reaches IPv4: the embedded address is checked


class ForbiddenAddress(OSError):
    """A host leads to an address where no provider may be. Nothing was sent."""


class Destinations(Struct, frozen=True):
    """The rules for a provider's base URL. `loopback` is for a gateway on its user's own machine: it allows plain
    http, and that machine. `runtime_api` is Lambda's own, as `host:port`. `lookup` finds a name's addresses."""

    loopback: bool = False
    runtime_api: str = ""
    lookup: Resolve = addresses_of

    def check(self, url: str) -> None:
        """Raises ValueError, in words for the author of the URL, unless it has the form of a base URL. If its host is
        an address, a provider must be allowed there."""
        scheme, host, port = _parts(url)
        if scheme != "https" and not self.loopback:
            raise ValueError("must begin with https://: the provider's key is sent there")
        try:
            address = ip_address(host)
        except ValueError:
            _check_name(host)
        else:
            if not self._may_be(address, port, plain=scheme == "http"):
                raise ValueError("leads to an address that is not allowed for a provider")

    def resolver(self, url: str) -> Resolve:
        """Return a resolver that finds the addresses of this URL's host at each connection. It raises ForbiddenAddress
        if any of them is forbidden: then none of a name's addresses is trusted. Raises ValueError as `check` does.
        """
        self.check(url)
        plain = _parts(url)[0] == "http"

        def resolve(host: str, port: int) -> Sequence[AddressInfo]:
            found = self.lookup(host, port)
            for *_, address in found:
                if not self._may_be(ip_address(str(address[0]).partition("%")[0]), port, plain=plain):
                    raise ForbiddenAddress("a provider's name leads to a forbidden address")
            return found

        return resolve

    def _may_be(self, address: IPv4Address | IPv6Address, port: int, *, plain: bool) -> bool:
        own = any(address in network for network in _LOOPBACK)
        if own:
            return self.loopback and not self._is_runtime_api(address, port, own=own)
        if address in _NAT64:
            address = IPv4Address(int(address) & 0xFFFFFFFF)
        return not (plain or self._is_runtime_api(address, port) or any(address in network for network in _NEVER))

    def _is_runtime_api(self, address: IPv4Address | IPv6Address, port: int, *, own: bool = False) -> bool:
        host, _, served = self.runtime_api.rpartition(":")
        return served == str(port) and (own or host == str(address))


def _parts(url: str) -> tuple[str, str, int]:
    """Scheme, host without brackets, port."""
    matched = _URL.fullmatch(url)
    if matched is None:
        raise ValueError(
            "must be a base URL such as https://host.example/v1: a plain host name, perhaps a port and a path; no user"
            " name, no query, no fragment"
        )
    scheme, host, port = matched[1].lower(), matched[2].strip("[]").lower(), matched[3]
    number = int(port[1:]) if port else 443 if scheme == "https" else 80
    if not 0 < number < 65_536:
        raise ValueError("has an invalid port")
    return scheme, host, number


def _check_name(host: str) -> None:
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("has an invalid host name")
    if _NUMBER.fullmatch(labels[-1]):
        # Some resolvers read 2130706433, 0x7f.1 and 127.1 as addresses.
        raise ValueError("has a host that is a number: write an address as 192.0.2.1")
