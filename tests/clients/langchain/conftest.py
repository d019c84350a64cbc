"""Which of LangChain's standard tests are not for a gateway on this machine."""

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
_CHAT_ALONE = {"test_json_mode": "Anthropic has no mode for JSON without a schema"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    out = [item for item in items if _left_out(item)]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]


def _left_out(item: pytest.Item) -> bool:
    name = item.name.partition("[")[0]
    chat = item.nodeid.rpartition("::")[0].rpartition("::")[2].startswith("TestChat")
    return name in _LEFT_OUT or name in (_MESSAGES_ALONE if chat else _CHAT_ALONE)
