"""The addresses that a provider may have: by the form of its URL, and by the address that is really connected to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.destinations import Destinations
from gateway.sockets import AddressInfo
from gateway.transport import Connections, HttpError, NotSent
from tests.upstream import FakeUpstream, Steer

AWS = Destinations()
LOCAL = Destinations(loopback=True, runtime_api="127.0.0.1:9001")
NAME = "provider.example"


class Lookup:
    """Finds the addresses that the test names: one list for each look-up, and the last list for all further ones."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self, host: str, port: int) -> Sequence[AddressInfo]:
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in found]
        return [(family, socket.SOCK_STREAM, 0, "", (address, port)) for family, address in zip(families, found)]  # noqa: B905


@pytest.mark.parametrize(
    "url",
    [
        "https://api.groq.com/openai/v1",
        "https://API.Groq.com",
        "https://xn--bcher-kva.example:8443/v1/",
        "https://8.8.8.8/v1",
        "https://10.1.2.3:8000/v1",  # a host inside the VPC
        "https://172.16.0.9",
        "https://192.168.1.5",
        "https://100.64.0.1",
        "https://[2606:4700::1111]:443/v1",
        "https://[fd12:3456::1]/v1",
        "https://[64:ff9b::808:808]",
    ],
)
def test_what_a_base_url_may_be(url: str) -> None:
    AWS.check(url)
    LOCAL.check(url)


FORMS = [
    "",
    "groq.com/v1",
    "ftp://groq.com/v1",
    "https://",
    "https:///v1",
    "https://user@groq.com/v1",
    "https://user:key@groq.com/v1",
    "https://groq.com@169.254.169.254/",
    "https://groq.com/v1?key=x",
    "https://groq.com/v1#x",
    "https://groq.com\\@evil.example/",
    "https://groq .com/",
    "https://groq.com/a b",
    "https://groq.com/v1\n",
    "https://groq\t.com/v1",
    "https://groq.com:0/",
    "https://groq.com:65536/",
    "https://groq.com:/",
    "https://groq.com./v1",
    "https://127.0.0.1./",
    "https://-groq.com/",
    "https://groq..com/",
    "https://bücher.example/",
    "https://localho\N{LATIN SMALL LETTER LONG S}t/",
    "https://gro\N{KELVIN SIGN}.com/",
    "https://1\N{FULLWIDTH FULL STOP}2.3.4/",
    "https://%31%32%37.0.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.0.0x1/",
    "https://[::1",
    "https://[fe80::1%25eth0]/",
    "https://" + "a" * 254 + "/",
]
ADDRESSES = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.100.1",
    "0.0.0.0",  # noqa: S104  never listened on
    "0.1.2.3",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "[::]",
    "[fd00:ec2::254]",
    "[fd00:ec2::23]",
    "[fe80::1]",
    "[ff02::1]",
    "[::ffff:8.8.8.8]",
    "[::ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::1]",
]
LOOPBACK = ["127.0.0.1", "127.255.255.254", "[::1]"]


@pytest.mark.parametrize("url", FORMS + [f"https://{address}/v1" for address in ADDRESSES])
def test_what_no_base_url_may_be_anywhere(url: str) -> None:
    for place in (AWS, LOCAL):
        with pytest.raises(ValueError, match=r"must|has|leads"):
            place.check(url)


@pytest.mark.parametrize("address", LOOPBACK)
def test_this_machine_and_plain_http_are_for_local_runs_alone(address: str) -> None:
    for url in (f"https://{address}:8000/v1", f"http://{address}:8000/v1"):
        LOCAL.check(url)
        with pytest.raises(ValueError, match=r"must begin with https|leads to"):
            AWS.check(url)
    with pytest.raises(ValueError, match="leads to"):
        LOCAL.check(f"http://{address}:9001/v1")  # Lambda's runtime API
    with pytest.raises(ValueError, match="leads to"):
        LOCAL.check("http://10.1.2.3/v1")  # a key is never sent over a network without encryption


@pytest.mark.parametrize("address", ADDRESSES + LOOPBACK)
def test_a_name_that_leads_there_is_not_connected_to(address: str) -> None:
    for found in ([address.strip("[]")], ["8.8.8.8", address.strip("[]")]):
        place = Destinations(lookup=Lookup(found))
        with pytest.raises(NotSent, match="ForbiddenAddress"):
            Connections(f"https://{NAME}/v1", place.resolver(f"https://{NAME}/v1")).open("POST", "/v1", b"", {}, 5.0)


def test_plain_http_under_a_name_stays_on_this_machine(fake: FakeUpstream) -> None:
    url = f"http://{NAME}:{fake.port}"
    away = Destinations(loopback=True, lookup=Lookup(["10.1.2.3"]))
    with pytest.raises(NotSent):
        Connections(url, away.resolver(url)).open("GET", "/v1/models", b"", {}, 5.0)
    here = Destinations(loopback=True, lookup=Lookup(["127.0.0.1"]))
    reply = Connections(url, here.resolver(url)).request("GET", "/v1/models", b"", {"authorization": "Bearer x"}, 5.0)
    assert reply.status == 200
    assert fake.seen[0].headers["host"] == f"{NAME}:{fake.port}"


def test_a_name_that_moves_is_judged_at_each_connection(fake: FakeUpstream) -> None:
    """DNS rebinding: the name's earlier addresses count for nothing, and the address that is connected to is judged."""
    url, lookup = f"http://{NAME}:{fake.port}", Lookup(["127.0.0.1"], ["169.254.169.254"])
    connections = Connections(url, Destinations(loopback=True, lookup=lookup).resolver(url))
    asked = ("GET", "/v1/models", b"", {"authorization": "Bearer x"}, 5.0)
    fake.script(Steer(header="connection: close"))  # so that the next exchange makes a new connection
    assert connections.request(*asked).status == 200
    assert lookup.asked == 1, "a second look-up could give another address than the one that was judged"
    with pytest.raises(NotSent):
        connections.request(*asked)
    assert (lookup.asked, len(fake.seen)) == (2, 1)


def test_tls_is_asked_for_by_name_at_the_judged_address() -> None:
    hello = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            taken, _ = server.accept()
            with taken:
                hello.extend(taken.recv(4_096))

        taking = threading.Thread(target=take)
        taking.start()
        url = f"https://{NAME}:{server.getsockname()[1]}"
        place = Destinations(loopback=True, lookup=Lookup(["127.0.0.1"]))
        with pytest.raises(HttpError):
            Connections(url, place.resolver(url)).open("GET", "/", b"", {}, 5.0)
        taking.join()
    assert NAME.encode() in hello  # the name that the certificate must have


@given(st.text(max_size=80))
def test_any_text_is_a_base_url_or_refused_with_words(text: str) -> None:
    for url in (text, f"https://{text}"):
        try:
            AWS.check(url)
        except ValueError as error:
            refused = str(error)
        else:
            refused = ""
            Connections(url)
        assert not refused or refused.startswith(("must", "has", "leads"))
