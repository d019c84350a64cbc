"""A fake upstream that speaks OpenAI's and Bedrock's wire formats over real HTTP on a loopback port.

    with FakeUpstream() as fake:
        fake.script(Steer(status=503, retry_after="7"), Steer(text="second"))
        ...                     # call fake.openai_url (ends in /v1) or fake.url (for Bedrock)
        assert fake.seen[0].headers["authorization"] == "Bearer ..."

A request is steered, in this order, by `script` (a queue), by `decide` (a function of the request), by its `x-fake-*`
headers, and by words in its last user message, which also pass through a gateway that forwards no headers:
`[[fake status=503 retry-after=7]]`. The fields of `Steer` are all that a test can ask for. README.md has examples.
"""

from tests.upstream.server import FakeUpstream, Seen
from tests.upstream.steering import Steer

__all__ = ["FakeUpstream", "Seen", "Steer"]
