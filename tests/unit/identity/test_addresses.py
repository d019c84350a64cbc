"""Which network an address belongs to, and which networks contain others."""

import pytest

from gateway.identity.addresses import canonical, covers, within

NETWORKS = ("192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32")


@pytest.mark.parametrize(
    ("address", "lies_within"),
    [
        ("192.0.2.0", True),
        ("192.0.2.255", True),
        ("192.0.3.0", False),
        ("198.51.100.7", True),
        ("198.51.100.8", False),
        ("::ffff:192.0.2.9", True),  # a socket of both versions names an IPv4 client in this form
        ("2001:db8:ffff::1", True),
        ("2001:DB8::1", True),
        ("2001:db9::1", False),
        ("", False),
        ("192.0.2.1, 198.51.100.7", False),
        ("192.0.2.1:443", False),
        ("192.0.2.01", False),
        ("localhost", False),
    ],
)
def test_an_address_lies_in_a_network_or_in_none(address: str, lies_within: bool) -> None:
    assert within(address, NETWORKS) is lies_within


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("192.0.2.1", "192.0.2.1/32"),
        ("2001:DB8:0::/32", "2001:db8::/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
    ],
)
def test_a_network_is_kept_in_one_way_of_writing_it(text: str, kept: str) -> None:
    assert canonical(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        *("", "10.0.0.1/8", "10.0.0.0/33", "::ffff:10.0.0.0/104", "example.com", "10.0.0.0/8 ", "010.0.0.1", "10/8"),
        *("fe80::1%eth0", "fe80::1%a b", "fe80::%eth0/64", "2001:db8::1%\n"),
    ],
)
def test_what_is_no_network_says_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no|has bits|is an IPv4"):
        canonical(text)


@pytest.mark.parametrize(
    ("networks", "others", "covered"),
    [
        ((), (), True),
        ((), ("10.0.0.0/8",), True),
        (("10.0.0.0/8",), (), False),
        (("10.0.0.0/8",), ("10.1.0.0/16",), True),
        (("10.1.0.0/16",), ("10.0.0.0/8",), False),
        (("10.0.0.0/9", "10.128.0.0/9"), ("10.0.0.0/8",), True),  # in two pieces
        (("10.0.0.0/8",), ("10.0.0.0/8", "2001:db8::/32"), False),
        (("0.0.0.0/0",), ("2001:db8::/32",), False),
        (("10.0.0.0/8", "2001:db8::/32"), ("2001:db8:1::/48", "10.2.0.0/16"), True),
    ],
)
def test_networks_cover_others(networks: tuple[str, ...], others: tuple[str, ...], covered: bool) -> None:
    assert covers(networks, others) is covered
