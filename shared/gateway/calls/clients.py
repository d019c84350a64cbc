"""Which kind of program calls, by its User-Agent: a class of a small table, never the caller's own words."""

from __future__ import annotations

OTHER = "other"
# The first that the header begins with counts; lower case.
_CLASSES = (
    ("openai/python", "openai-python"),
    ("asyncopenai/python", "openai-python"),
    ("openai/js", "openai-node"),
    ("asyncopenai/js", "openai-node"),
    ("openai/", "openai-sdk"),
    ("anthropic/", "anthropic-sdk"),
    ("asyncanthropic/", "anthropic-sdk"),
    ("claude-cli/", "claude-code"),
    ("claude-code/", "claude-code"),
    ("codex", "codex"),
    ("ai-sdk/", "ai-sdk"),
    ("ai/", "ai-sdk"),
    ("langchain", "langchain"),
    ("litellm", "litellm"),
    ("cursor", "cursor"),
    ("opencode/", "opencode"),
    ("postmanruntime/", "postman"),
    ("curl/", "curl"),
    ("python-requests/", "python"),
    ("python-httpx/", "python"),
    ("python-urllib", "python"),
    ("aiohttp/", "python"),
    ("axios/", "node"),
    ("node", "node"),
    ("undici", "node"),
    ("go-http-client/", "go"),
    ("mozilla/", "browser"),
)


def client_class(user_agent: str) -> str:
    """The class of the client that sends this User-Agent; OTHER for none and for any that is not known."""
    text = user_agent.strip().lower()
    return next((name for beginning, name in _CLASSES if text.startswith(beginning)), OTHER)
