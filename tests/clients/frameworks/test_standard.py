"""LangChain's own standard tests of a chat model, for its OpenAI and Anthropic models, with the gateway as their host.

They run in a separate venv (`make clients`); GATEWAY_URL and GATEWAY_KEY name the gateway.
"""

from __future__ import annotations

import os
import re

from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

URL, KEY = os.environ["GATEWAY_URL"], os.environ["GATEWAY_KEY"]
MODELS = os.environ["GATEWAY_MODELS"].split(",")
RESPONSES = os.environ["GATEWAY_MODELS_RESPONSES"].split(",")[:3]  # OpenAI's model over chat, and over Messages
NATIVE = os.environ["GATEWAY_MODELS_MESSAGES"].split(",")


class Chat(ChatModelIntegrationTests):
    asked: str

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, object]:
        known = {"base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0}
        return known | {"model": self.asked, "stream_usage": True, "use_responses_api": False}

    @property
    def model_override_value(self) -> str:
        return self.asked

    @property
    def supports_json_mode(self) -> bool:
        return True


class Responses(Chat):
    @property
    def chat_model_params(self) -> dict[str, object]:
        return super().chat_model_params | {"use_responses_api": True}


class Messages(ChatModelIntegrationTests):
    asked: str

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatAnthropic

    @property
    def chat_model_params(self) -> dict[str, object]:
        return {"base_url": URL, "api_key": KEY, "max_retries": 0, "model": self.asked, "max_tokens": 1_000}

    @property
    def model_override_value(self) -> str:
        return self.asked

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True


def _of(base: type[ChatModelIntegrationTests], model: str) -> type[ChatModelIntegrationTests]:
    name = "".join(part.title() for part in ("test", base.__name__, *re.split(r"[^a-z0-9]", model)))
    return type(name, (base,), {"asked": model, "__module__": __name__})


for each in (
    [_of(Chat, model) for model in MODELS]
    + [_of(Messages, model) for model in NATIVE]
    + [_of(Responses, model) for model in RESPONSES]
):
    globals()[each.__name__] = each
