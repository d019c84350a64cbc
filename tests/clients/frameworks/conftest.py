"""The list of LangChain's standard tests that do not apply to a gateway on this machine."""

import pytest

_LEFT_OUT = {
    "test_pdf_inputs": "fetches a document from a host of the internet",
    "test_pdf_tool_message": "fetches a document from a host of the internet",
    "test_audio_inputs": "fetches a sound from a host of the internet",
    "test_image_inputs": "fetches a picture from a host of the internet",
    "test_image_tool_message": "fetches a picture from a host of the internet",
    "test_stream_time": "replays recorded answers, and asks no host",
}
_MESSAGES_ALONE = {"test_anthropic_inputs": "sends Anthropic's own blocks"}
_OPENAI_ALONE = {"test_json_mode": "no other model has a mode for JSON without a schema"}
_BY_THEIR_OWN_NAME = "_with_model_override"  # a model that is called by a provider's name answers with its own name


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    out = [item for item in items if _left_out(item)]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]


def _left_out(item: pytest.Item) -> bool:
    name, home = item.name.partition("[")[0], item.cls.__name__ if item.cls else ""
    return (
        name in _LEFT_OUT
        or (name in _MESSAGES_ALONE and not home.startswith("TestMessages"))
        or (name in _OPENAI_ALONE and not home.startswith("TestChatGpt"))
        or (name.endswith(_BY_THEIR_OWN_NAME) and ("Bedrock" in home or home == "TestResponsesNative"))
    )
