"""The guides' runner reads the words of a guide, and runs its blocks in one shell."""

from pathlib import Path

import pytest

from tools.docs.guides import GUIDES, Block, GuideError, _told, blocks, matches, run
from tools.docs.shell import Shell
from tools.local.emulator import ROOT

GUIDE = """# A guide

```console
NAME=world
echo "hello \\
  $NAME"
```

```text
hello ... world
```

<!-- guide: not run, a reason -->
```console
exit 1
```

<!-- guide: background until "up" -->
```console
echo up; sleep 60
```
"""


def test_commands_are_whole_and_comments_belong_to_their_block() -> None:
    first, second, third = blocks(GUIDE)
    assert list(first.commands()) == [(4, "NAME=world"), (5, 'echo "hello \\\n  $NAME"')]
    assert (first.comment, first.expected) == ("", "hello ... world\n")
    assert (second.comment, third.comment) == ("not run, a reason", 'background until "up"')


def test_a_here_document_is_one_command() -> None:
    text = "cat <<'END'\none\nEND\necho two\n"
    assert [command for _, command in Block(1, text).commands()] == ["cat <<'END'\none\nEND", "echo two"]


@pytest.mark.parametrize(
    ("answered", "expected", "good"),
    [
        ('{"a":1,"b":[2]}\n', '{"a": 1, ...', True),
        ('{"a":1,"b":[2]}', '{"a": 1, "b": []}', False),
        ("x\ny\n", "x\n...\n", True),
        ("more", "mor", False),
    ],
)
def test_an_answer_is_the_expected_one(answered: str, expected: str, good: bool) -> None:
    assert matches(answered, expected) is good


def test_a_guide_is_run_in_one_shell(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    with Shell(work, {"PATH": "/usr/bin:/bin"}, "") as shell:
        assert run(GUIDE, "guide.md", shell) == (3, 1)
        with pytest.raises(GuideError, match=r"guide.md:2: false"):
            run("```console\nfalse\n```\n", "guide.md", shell)
        with pytest.raises(GuideError, match=r"but the guide says\nhello"):
            run("```console\necho bye\n```\n\n```text\nhello\n```\n", "guide.md", shell)


def test_a_registry_that_is_out_of_reach_is_one_line_that_says_what_to_do() -> None:
    raw = "Error: Failed to query available provider packages\n\nCould not retrieve the list of available versions"
    said = _told(GuideError("docs/guides/plan-for-aws.md:24", "make plan ENV=dev", raw, "it succeeds"))
    assert (said.count("\n"), "OFFLINE_AWS" in said, "registry" in said) == (0, True, True)
    assert "another error" in _told(GuideError("docs/guides/plan-for-aws.md:24", "make plan", "another error", ""))


def test_the_guides_that_are_run_are_there() -> None:
    for name in GUIDES:
        assert list(blocks((ROOT / name).read_text(encoding="utf-8")))
