"""The prose linter sees the prose of documents and of code, and nothing else."""

import pytest

from tools.docs.prose import code
from tools.docs.prose.__main__ import files, pieces
from tools.docs.prose.markdown import Text, texts
from tools.docs.prose.rules import RULES, findings

MODULE = '''#!/usr/bin/env python
"""A module.

It has `beside` as code, and
two lines.
"""

import os  # noqa: F401

# A comment of
# two lines.
#
# - an item
# checkov:skip=CKV_AWS_1:there is no need

LIMIT = 1  # alone on its line
# The next one.


def refuse(name: str, limit: int) -> None:
    """Refuse it.

        an example, beside other code

    Shapes:
    ├── Error          it has failed
    name: the name of it
    """
    raise ValueError(f"The limit of {name} is {limit}, as a {'rule'}")


PATHS = ("x b c d e", "default-src 'none'; script-src 'self'", "three short words")
QUERY = "attribute_not_exists(pk) AND #a = :a AND #b = :b"
'''


def test_documents() -> None:
    page = "# What is it\n\nA `code of its own` and\na [link](beside.md).\n\n```text\nbeside\n```\n\n"
    page += "| what | b |\n|---|---|\n| x | y |\n"
    assert list(texts(page)) == [
        (1, "title", "What is it"),
        (3, "body", "A X17 and a link."),
        (10, "head", "what"),
        (10, "head", "b"),
        (12, "body", "x"),
        (12, "body", "y"),
    ]
    assert [each.rule for each in findings("page", list(texts(page)))] == ["a column named what"]


def test_docstrings_comments_and_strings_that_are_sentences() -> None:
    assert sorted((each.line, each.text) for each in code.python(MODULE)) == [
        (2, "A module."),
        (4, "It has X8 as code, and two lines."),
        (10, "A comment of two lines."),
        (13, "an item"),
        (14, "there is no need"),
        (16, "alone on its line"),
        (17, "The next one."),
        (21, "Refuse it."),
        (25, "Shapes:"),
        (26, "Error it has failed"),
        (27, "name: the name of it"),
        (29, "The limit of X1 is X3, as a X5"),
    ]
    assert "The limit of X1 is X3, as a X5" not in [each.text for each in code.python(MODULE, strings=False)]


def test_terraform() -> None:
    source = """# The function, and
# its log.
/* beside */
resource "aws_lambda_function" "this" {
  description = "The \\"door\\" of ${var.name} that streams" # a reason
  url         = "https://example.com/a # b" // another reason
}
"""
    assert list(code.terraform(source)) == [
        (5, "body", 'The "door" of X1 that streams'),
        (1, "body", "The function, and its log."),
        (5, "body", "a reason"),
        (6, "body", "another reason"),
    ]


def test_makefiles_and_their_like() -> None:
    source = "#!/bin/sh\n# One comment\n# of two lines.\nrun: build ## Run the gateway\n\techo a#b\n"
    assert list(code.lines(source)) == [(2, "body", "One comment of two lines."), (4, "body", "Run the gateway")]


def test_sentences_in_json() -> None:
    source = '{\n"description": "The words that \\"explain\\" it",\n"b": ["read", {"c": "a reason for a right"}]\n}'
    found = [Text(2, "body", 'The words that "explain" it'), Text(3, "body", "a reason for a right")]
    assert list(code.json_strings(source)) == found


@pytest.mark.parametrize("name", RULES["rules"])
def test_a_rule_finds_its_habit(name: str) -> None:
    habits = {
        "own": "It has a door of its own.",
        "beside": "One beside the other.",
        "mended": "It is mended.",
        "holds to": "It holds to the limit.",
        "what as a subject": "What is left is given back: nothing.",
        "what after a preposition": "It is made of what is left.",
        "who as a subject": "Who has a key may call it.",
        "a column named what": "| what | b |\n|---|---|\n",
        "is none": "There is none.",
        "inverted": "The key is not read, nor is the team.",
        "old word": "It is read anew.",
        "odd verb": "Keys go by the header.",
        "odd word": "It fails in silence.",
        "told": "The caller is told.",
        "lone at the end": "It is for admins alone.",
        "but for": "All but for one.",
        "long sentence": "word " * 46,
        "chain of clauses": "a; b; c; d",
    }
    assert [each.rule for each in findings("page", list(texts(habits[name])))] == [name]


def test_every_kind_of_file_is_read() -> None:
    read = list(files(RULES["read"]))
    assert {file.rpartition(".")[2] for file in read} >= {"md", "py", "tf", "hcl", "tfvars", "mk", "sh", "toml", "json"}
    assert {"Makefile", "shared/gateway/data/openapi.json", "tests/unit/tools/test_prose.py"} <= set(read)
    assert not [file for file in read if "/golden/" in file and file.startswith("terraform")]
    assert len(pieces("tests/unit/tools/test_prose.py")) < 10  # not its strings
