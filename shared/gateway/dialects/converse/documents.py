"""Converse's rules for documents: at most five in a request, and each needs text in the same turn."""

from __future__ import annotations

from gateway.dialects.conversation import NO_MESSAGE, Conversation
from gateway.dialects.neutral import Document, Text, ToolResult
from gateway.dialects.unsupported import refuse

_MOST_DOCUMENTS = 5


def beside_documents(talk: Conversation) -> None:
    """Add text to turns whose documents have none. Raises Unsupported for too many documents."""
    count = 0
    for turn in talk.turns:
        found = [block for block in turn.blocks if isinstance(block, Document)]
        inner = [part for block in turn.blocks if isinstance(block, ToolResult) for part in block.content]
        for document in (*found, *(part for part in inner if isinstance(part, Document))):
            count += 1
            if count > _MOST_DOCUMENTS:
                raise refuse(document.at, f"a request holds at most {_MOST_DOCUMENTS} documents for this model")
        if found and not any(isinstance(block, Text) for block in turn.blocks):
            turn.blocks.append(Text(NO_MESSAGE))
