"""Open WebUI as its administrator starts it, and the requests of its page to its own API, with a separate data folder.

It can reach only the gateway. Its documented variables turn off everything else that it would fetch or report.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.integration.conftest import Live
from tests.integration.waiting import eventually
from tools.local.emulator import ROOT, free_port

BINARY = ROOT / ".local" / "clients" / "webui" / "bin" / "open-webui"
EMBEDS = "text-embedding-3-small"
_START_SECONDS = 300.0  # the first time, when all of its code is compiled
_ANSWER_SECONDS = 240.0


@dataclass(frozen=True, slots=True)
class Page:
    """A person who is signed in. `address` is Open WebUI's address, `id` is its id of the person."""

    address: str
    gateway: str
    id: str = ""
    token: str = field(default="", repr=False)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status and the answer: parsed if it is JSON, otherwise as text."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, headers, method=method)  # noqa: S310  loopback
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as reply:  # noqa: S310  loopback
                return reply.status, _read(reply.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, _read(refused.read())

    def signed(self, how: str, **who: str) -> Page:
        """The person who signs up or in."""
        status, found = self.ask("POST", f"/api/v1/auths/{how}", who)
        assert status == 200, found
        return replace(self, id=found["id"], token=found["token"])

    def connect(self, key: str, **settings: Any) -> None:
        """Sets what an administrator enters in Settings, Connections. Then the list of models is fetched again."""
        body = {
            "ENABLE_OPENAI_API": True,
            "OPENAI_API_BASE_URLS": [f"{self.gateway}/v1"],
            "OPENAI_API_KEYS": [key],
            "OPENAI_API_CONFIGS": {"0": {"enable": True, **settings}},
        }
        assert self.ask("POST", "/openai/config/update", body)[0] == 200

    def models(self) -> list[str]:
        return [each["id"] for each in self.ask("GET", "/api/models")[1]["data"]]

    def chat(self, model: str, question: str) -> dict[str, Any]:
        """Begins a new chat as the page does, and waits until the answer has ended. Returns the stored message of the
        assistant."""
        question_id, answer_id = str(uuid.uuid4()), str(uuid.uuid4())
        user_message = {"id": question_id, "parentId": None, "childrenIds": [answer_id], "role": "user"}
        named = [{"model_id": model, "message_id": answer_id, "modelIdx": 0}]
        body = {
            "stream": True,
            "model": model,
            "session_id": str(uuid.uuid4()),
            "id": answer_id,
            "message_ids": named,
            "parent_id": None,
            "user_message": user_message | {"content": question, "models": [model]},
            "background_tasks": {"title_generation": True},
        }
        status, begun = self.ask("POST", "/api/chat/completions", body)
        assert status == 200, begun
        chat = f"/api/v1/chats/{begun['chat_id']}"

        def ended() -> dict[str, Any] | None:
            messages = self.ask("GET", chat)[1]["chat"]["history"]["messages"]
            message: dict[str, Any] = messages.get(answer_id) or {}
            return message if message.get("done") or message.get("error") else None

        return eventually(ended)


@contextmanager
def webui(gateway: Live, key: str, folder: Path) -> Iterator[Page]:
    """Open WebUI, which runs until the block ends, and its first user, who is its administrator."""
    home, port = folder / "home", free_port()
    home.mkdir()
    log = folder / "log.txt"
    command = [str(BINARY), "serve", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=home, env=_variables(gateway, key, folder), stdout=out, stderr=subprocess.STDOUT
        )
        try:
            page = Page(f"http://127.0.0.1:{port}", gateway.base_url)
            eventually(lambda: _answers(page, process, log), seconds=_START_SECONDS)
            yield page.signed("signup", name="Ada", email="ada@example.com", password="a-password-of-ada")
        finally:
            process.terminate()
            process.wait(timeout=30)


def _variables(gateway: Live, key: str, folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "DATA_DIR": str(folder / "data"),
        "WEBUI_SECRET_KEY": secrets.token_hex(32),
        "OPENAI_API_BASE_URL": f"{gateway.base_url}/v1",
        "OPENAI_API_KEY": key,
        "ENABLE_OLLAMA_API": "False",
        "RAG_EMBEDDING_ENGINE": "openai",
        "RAG_EMBEDDING_MODEL": EMBEDS,
        "RAG_OPENAI_API_BASE_URL": f"{gateway.base_url}/v1",  # otherwise OpenAI's own address, whatever is set above
        "RAG_OPENAI_API_KEY": key,
        "BYPASS_MODEL_ACCESS_CONTROL": "True",
        # The administrator may let Open WebUI send the caller's ids: a person as the session, a chat as the agent.
        "ENABLE_FORWARD_USER_INFO_HEADERS": "True",
        "FORWARD_USER_INFO_HEADER_USER_ID": "x-claude-code-session-id",
        "FORWARD_SESSION_INFO_HEADER_CHAT_ID": "x-claude-code-agent-id",
        "OFFLINE_MODE": "True",
        "HF_HUB_OFFLINE": "1",
        "ENABLE_VERSION_UPDATE_CHECK": "False",
        "ANONYMIZED_TELEMETRY": "False",
        "SCARF_NO_ANALYTICS": "true",
        "DO_NOT_TRACK": "1",
    }


def _answers(page: Page, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text(encoding="utf-8")[-5_000:]
    try:
        return page.ask("GET", "/health")[0] == 200
    except OSError:
        return False


def _read(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode()
