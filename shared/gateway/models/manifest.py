"""A model in the form that Codex asks for: `GET /v1/models?client_version=`. If one field is wrong, Codex silently
ignores the whole list and guesses what a model can do: another window, no reasoning. The fields of earlier and later
versions are all present, because a version ignores fields that it does not know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

_CALLED: Final = frozenset(("chat", "converse", "messages", "responses"))
_EFFORTS: Final = {
    "low": "Quick answers with little reasoning",
    "medium": "Reasoning for everyday tasks",
    "high": "More reasoning for hard problems",
}
# The only instructions for a listed model: Codex uses its built-in instructions only for models that are not in the
# list.
_INSTRUCTIONS: Final = """\
You are Codex, a coding agent that works in a terminal, in the folder of the user's project. You read and change files \
and run commands by the tools that you are given.

- Look before you answer: search and read what the task is about. Never guess what a file says.
- Keep on until the task is done, or until only the user can decide; then ask.
- Change what is asked and nothing else, in the style of the code that is there. Follow what AGENTS.md says, if there \
is one; the file that lies deepest counts most.
- To change files, call the tool apply_patch if you have it, else write them by a shell command.
- Check your work by the project's own tests or build where there are any. Never undo changes that are not yours, \
never commit unless you are asked to, and run nothing that destroys what can't be made again.
- Say what you are about to do in a sentence before you begin something long. At the end say briefly what you did, \
what you checked, and what is left, with paths of files in backticks.
"""


def manifest(shown: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The models of `listed` that answer in text, in their order. Codex uses the first one by default. Codex's own
    models stay in its list and have priorities from 1 on, so the priorities here are lower numbers."""
    spoken = [each for each in shown if not _CALLED.isdisjoint(each["dialects"])]
    return {"models": [_model(each, place) for place, each in enumerate(spoken, 1 - len(spoken))]}


def _model(shown: Mapping[str, Any], priority: int) -> dict[str, Any]:
    abilities = shown["capabilities"]
    reasons, window = "reasoning" in abilities, shown["context_window"]
    return {
        "slug": shown["id"],
        "display_name": shown["id"],
        "description": shown["target"],
        "supported_reasoning_levels": [
            {"effort": effort, "description": said} for effort, said in _EFFORTS.items() if reasons
        ],
        "default_reasoning_level": "medium" if reasons else None,
        "supports_reasoning_summaries": reasons,
        "supports_reasoning_summary_parameter": reasons,
        "default_reasoning_summary": "auto" if reasons else "none",
        "shell_type": "shell_command",
        "visibility": "list",
        "supported_in_api": True,
        "priority": priority,
        "upgrade": None,
        "base_instructions": _INSTRUCTIONS,
        "support_verbosity": False,
        "default_verbosity": None,
        "apply_patch_tool_type": "freeform",
        "truncation_policy": {"mode": "bytes", "limit": 10_000},
        "supports_parallel_tool_calls": "tools" in abilities,
        "context_window": window,
        "max_context_window": window,
        "experimental_supported_tools": [],
        "input_modalities": ["text", "image"] if "images" in abilities else ["text"],
    }
