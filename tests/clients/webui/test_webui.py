"""Open WebUI itself: the requests of its page are answered and billed, and the person who asks sees failures in the
gateway's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from gateway.identity.verification import REFUSED
from tests.clients.rows import billed, rows
from tests.clients.webui.page import EMBEDS, Page, webui
from tests.deployed import MODELS, NATIVE
from tests.integration.conftest import Live
from tests.integration.waiting import eventually
from tests.upstream import Seen, Steer
from tests.upstream.obliging import tool_results

LISTED = [name for name in MODELS if "/" not in name]
QUESTION = "What time is it?"
TITLE = '{"title": "The time"}'


@pytest.fixture(scope="session")
def page(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with webui(live, live.new_key()[0], tmp_path_factory.mktemp("webui")) as page:
        yield page


@pytest.fixture
def key(gateway: Live, page: Page) -> tuple[str, str]:
    """A key and its id; Open WebUI's connection uses it."""
    made = gateway.new_key()
    page.connect(made[0])
    return made


def answering(*steers: Steer) -> Callable[[Seen], Steer]:
    """The model's answer at each turn of a chat, which has tools, and the answer to the request for a title, which has
    no tools."""
    left = list(steers)

    def decide(seen: Seen) -> Steer:
        if not (seen.body.get("tools") or seen.body.get("toolConfig")):
            return Steer(text=TITLE)
        return left.pop(0) if left else Steer(text="The tool said: " + "; ".join(tool_results(seen.body)))

    return decide


def test_its_picker_lists_the_models_of_the_key(gateway: Live, page: Page, key: tuple[str, str]) -> None:
    listed = gateway.call("GET", "/v1/models", None, {"authorization": f"Bearer {key[0]}"}).body["data"]
    assert {each["id"] for each in listed} - set(page.models()) == set()


def test_a_name_that_is_not_listed_is_asked_for_by_the_connection_s_model_ids(
    gateway: Live, page: Page, key: tuple[str, str]
) -> None:
    gateway.fake.decide = lambda _seen: Steer(text="At nine.")
    name = next(name for name in MODELS if "/" in name)
    page.connect(key[0], model_ids=[name])
    assert name in page.models()
    body = {"model": name, "messages": [{"role": "user", "content": QUESTION}]}
    status, answer = page.ask("POST", "/api/chat/completions", body)
    assert (status, answer["choices"][0]["message"]["content"]) == (200, "At nine.")


@pytest.mark.parametrize("model", LISTED)
def test_an_answer_streamed_and_not(gateway: Live, page: Page, key: tuple[str, str], model: str) -> None:
    gateway.fake.decide = lambda _seen: Steer(text="At nine.")
    body = {"model": model, "messages": [{"role": "user", "content": QUESTION}]}
    assert model in page.models()
    status, answer = page.ask("POST", "/api/chat/completions", body)
    assert (status, answer["choices"][0]["message"]["content"]) == (200, "At nine.")
    assert answer["usage"]["cost"] > 0
    status, text = page.ask("POST", "/api/chat/completions", {**body, "stream": True})
    assert (status, text.count("data: [DONE]")) == (200, 1)
    found = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert "".join(each["choices"][0]["delta"].get("content") or "" for each in found if each["choices"]) == "At nine."
    assert [row["state"] for row in rows(gateway, key[1])] == ["SETTLED"] * 2


@pytest.mark.parametrize("model", LISTED)
def test_a_chat_with_a_tool_of_its_own_and_a_title(gateway: Live, page: Page, key: tuple[str, str], model: str) -> None:
    gateway.fake.decide = answering(Steer(tool="get_current_timestamp", arguments="{}"))
    assert model in page.models()
    message = page.chat(model, QUESTION)
    assert "The tool said: " in message["content"]
    assert "current_timestamp" in message["content"]
    assert billed(gateway, key[1], 3)["cost"] > 0  # the call of the tool, the answer to its result, and the title


@pytest.mark.parametrize("model", [NATIVE, *LISTED])
def test_a_chat_by_responses_as_a_connection_may_ask_for(
    gateway: Live, page: Page, key: tuple[str, str], model: str
) -> None:
    page.connect(key[0], api_type="responses")
    gateway.fake.decide = answering(Steer(tool="get_current_timestamp", arguments="{}"))
    assert model in page.models()
    assert "The tool said: " in page.chat(model, QUESTION)["content"]
    assert len(rows(gateway, key[1])) >= 2


def test_a_title_by_itself(gateway: Live, page: Page, key: tuple[str, str]) -> None:
    gateway.fake.decide = lambda _seen: Steer(text=TITLE)
    assert "gpt-4o" in page.models()
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": QUESTION}]}
    status, answer = page.ask("POST", "/api/v1/tasks/title/completions", body)
    assert (status, answer["choices"][0]["message"]["content"]) == (200, TITLE)
    assert billed(gateway, key[1], 1)["cost"] > 0


def test_embeddings_and_a_text_that_is_searched(gateway: Live, page: Page, key: tuple[str, str]) -> None:
    assert page.models()
    status, answer = page.ask("POST", "/api/embeddings", {"model": EMBEDS, "input": ["one", "two"]})
    assert (status, len(answer["data"])) == (200, 2)
    assert billed(gateway, key[1], 1)["cost"] > 0
    text = {"name": "notes", "content": "The door opens at nine.", "collection_name": "notes"}
    assert page.ask("POST", "/api/v1/retrieval/process/text", text)[0] == 200
    status, found = page.ask("POST", "/api/v1/retrieval/query/doc", {"collection_name": "notes", "query": "When?"})
    assert (status, found["documents"]) == (200, [["The door opens at nine."]])


def test_a_wrong_key(page: Page) -> None:
    status, told = page.ask("POST", "/openai/verify", {"url": f"{page.gateway}/v1", "key": "sk-wrong"})
    assert (status, told["error"]["message"]) == (401, REFUSED)
    page.connect("sk-wrong")
    assert page.models() == []


def test_an_unknown_model(gateway: Live, page: Page, key: tuple[str, str]) -> None:
    assert page.models()
    body = {"model": "no-such-model", "messages": [{"role": "user", "content": QUESTION}]}
    assert page.ask("POST", "/api/chat/completions", body)[0] in (400, 404)
    assert gateway.fake.seen == []


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_budget": 0.000001}, "more than the key's whole budget"),
        ({"rpm_limit": 1}, "The key's limit of 1"),
    ],
)
def test_a_refusal_is_told_in_the_chat(gateway: Live, page: Page, limits: dict[str, float], words: str) -> None:
    refused, _ = gateway.new_key(**limits)
    if "rpm_limit" in limits:
        assert gateway.complete(refused).status == 200
    gateway.fake.reset()
    page.connect(refused)
    assert "gpt-4o" in page.models()
    assert words in json.dumps(page.chat("gpt-4o", QUESTION)["error"])
    assert gateway.fake.seen == []


def test_a_provider_that_dies_in_mid_stream(gateway: Live, page: Page, key: tuple[str, str]) -> None:
    """The output that came stays in the chat, with the gateway's message below it. It is billed and not sent again."""
    gateway.fake.decide = answering(Steer(text="At nine, or so it seems.", reset="body", after=6))
    assert "gpt-4o" in page.models()
    message = page.chat("gpt-4o", QUESTION)
    assert "At nine" in message["content"]
    assert "broke" in json.dumps(message["error"])
    assert {row["state"] for row in rows(gateway, key[1])} == {"SETTLED"}


def test_what_each_person_and_each_chat_came_to(gateway: Live, page: Page, key: tuple[str, str]) -> None:
    """Persons and chats are distinguished by the headers that Open WebUI's own variables turn on (`page.py`). Limits
    still apply to the key."""
    who = {"name": "Ben", "email": "ben@example.com", "password": "a-password-of-ben"}
    assert page.ask("POST", "/api/v1/auths/add", {**who, "role": "user"})[0] == 200
    ben = page.signed("signin", email=who["email"], password=who["password"])
    gateway.fake.decide = answering()
    assert "gpt-4o" in ben.models()
    for each in (page, ben, ben):
        each.chat("gpt-4o", QUESTION)
    billed(gateway, key[1], 6)  # an answer and a title for each

    def listed() -> dict[str, float] | None:
        found = gateway.admin("GET", f"/usage/sessions?key={key[1]}").body["data"]
        return {each["session"]: each for each in found} if sum(each["requests"] for each in found) == 6 else None

    found = eventually(listed)
    assert {who: each["requests"] for who, each in found.items()} == {page.id: 2, ben.id: 4}  # type: ignore[index]
    session = gateway.admin("GET", f"/usage/sessions/{ben.id}?key={key[1]}").body
    assert len(session["by_agent"]) == 2
