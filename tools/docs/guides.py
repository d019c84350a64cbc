"""`python -m tools.docs guides`: guides and other pages are run line by line, in one shell, in a clean copy.

In a guide, a block of `console` is commands, one after another. A block of `text` or `json` right after it is what the
last of them has to answer; `...` in it stands for anything. A comment before a block says more:

    <!-- guide: background until "ready" -->    runs on; the guide goes on when its output has that text
    <!-- guide: soon -->                        is asked again until it answers so, for two minutes
    <!-- guide: not run, REASON -->             is for readers alone; how many such lines there are is said at the end

`git clone` copies what git would commit here, `make` takes the environments that are installed here for fresh ones:
else each run would install them again. `PORT` is a free one.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.docs.shell import Shell
from tools.local.emulator import ROOT

# In this order: the first starts the gateway that the others use.
GUIDES = (
    "docs/guides/run-it.md",
    "README.md",
    "docs/guides/budgets.md",
    "docs/billing.md",
    "docs/configuration.md",
    "docs/guides/claude-code.md",
    "docs/guides/add-a-provider.md",
    "docs/guides/plan-for-aws.md",
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_COMMENT = re.compile(r"<!-- guide: ([^>]+?) -->\s*\Z")
_HERE = re.compile(r"<<'(\w+)'")
_UNTIL = re.compile(r'background until "(.+)"')
_NO_PROVIDER = re.compile(r"Failed to (query available provider packages|install provider)")
_UNREACHED = (
    "docs/guides/plan-for-aws.md: NOT RUN: Terraform can't download its AWS provider. Connect this machine to"
    " Terraform's registry, or set OFFLINE_AWS to the folder of the provider's offline stand-in (it needs Go)."
)
_SOON_SECONDS, _START_SECONDS = 120.0, 300.0  # a busy machine is no reason to fail


class GuideError(Exception):
    """A line of a guide did not do what the guide says: where, the line, and what it answered."""

    def __init__(self, where: str, command: str, answered: str, wanted: str) -> None:
        super().__init__(f"{where}: {command}\n--- answered\n{answered}\n--- but the guide says\n{wanted}")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a guide. `comment` is what the comment right before it says, `expected` the block right after it."""

    line: int
    text: str
    comment: str = ""
    expected: str | None = None

    def commands(self) -> Iterator[tuple[int, str]]:
        """Each command with its line: what bash takes for a whole one."""
        gathered, first = "", self.line + 1
        for number, line in enumerate(self.text.splitlines(keepends=True), self.line + 1):
            gathered, first = gathered + line, first if gathered else number
            if not gathered.strip() or gathered.lstrip().startswith("#"):
                gathered = ""
            elif not line.rstrip("\n").endswith("\\") and _is_whole(gathered):
                yield first, gathered.rstrip("\n")
                gathered = ""
        if gathered.strip():
            yield first, gathered.rstrip("\n")


def _is_whole(command: str) -> bool:
    """Whether bash would run it: a quote, a loop or a here-document that is open goes on in the next line."""
    here = _HERE.search(command)
    if here and f"\n{here[1]}\n" not in command:
        return False
    return subprocess.run(["bash", "-n"], input=command, text=True, capture_output=True, check=False).returncode == 0


def blocks(guide: str) -> Iterator[Block]:
    """The blocks of commands in a guide's text."""
    found = list(_FENCE.finditer(guide))
    for at, match in enumerate(found):
        if match[1] != "console":
            continue
        comment = _COMMENT.search(guide[: match.start()])
        following = found[at + 1] if at + 1 < len(found) else None
        adjacent = following and not guide[match.end() : following.start()].strip()
        expected = following[2] if following and adjacent and following[1] in ("text", "json") else None
        yield Block(guide.count("\n", 0, match.start()) + 1, match[2], comment[1] if comment else "", expected)


def matches(answered: str, expected: str) -> bool:
    """Whether an answer is the expected one: spaces and line ends count for nothing, `...` stands for anything."""
    parts = ["".join(part.split()) for part in expected.split("...")]
    return re.fullmatch(".*".join(map(re.escape, parts)), "".join(answered.split()), re.S) is not None


def run(guide: str, name: str, shell: Shell) -> tuple[int, int]:
    """Run a guide's text. Returns how many of its commands were run and how many were not. Raises GuideError."""
    ran, left = 0, 0
    for block in blocks(guide):
        commands = list(block.commands())
        if block.comment.startswith("not run"):
            left += len(commands)
            continue
        for line, command in commands:
            expected = block.expected if (line, command) == commands[-1] else None
            _one(shell, command, block.comment, expected, f"{name}:{line}")
            ran += 1
    return ran, left


def _one(shell: Shell, command: str, comment: str, expected: str | None, where: str) -> None:
    if until := _UNTIL.match(comment):
        answered = shell.background(command, until[1], _START_SECONDS)
        if until[1] not in answered:
            raise GuideError(where, command, answered, until[1])
        return
    deadline = time.monotonic() + (_SOON_SECONDS if comment == "soon" else 0)
    while True:
        status, answered = shell.run(command)
        good = status == 0 and (expected is None or matches(answered, expected))
        if good or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    if not good:
        raise GuideError(where, command, f"{answered}\n(exit code {status})", expected or "it succeeds")


def clean_copy(folder: Path) -> None:
    """The files that git has or would add here, and the environments and dependencies that are installed here."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    # Compiled dependencies one by one: those that the copy makes for its own paths stay its own.
    (folder / ".local" / "dependencies").mkdir(parents=True)
    compiled = (ROOT / ".local" / "dependencies").glob("[!.]*")
    for path in (ROOT / ".local" / "venv", ROOT / ".local" / "emulator", *compiled):
        (folder / path.relative_to(ROOT)).symlink_to(path.resolve())


_PRELUDE = """
git() { if [ "$1" = clone ]; then cp -R "$CLEAN_COPY" "${@: -1}"; else command git "$@"; fi; }
make() { command make -o .local/venv/.tools -o .local/venv/.test -o .local/emulator/.ready "$@"; }
"""


def _port() -> int:
    """A free port that nobody gets who asks the system for any: other tests do so all the time."""
    while True:
        port = random.randrange(20_000, 30_000)  # noqa: S311
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


def _stand_in() -> Path | None:
    """Where Terraform's providers are, if their stand-in is next to this repository, as for `make terraform-check`."""
    install = Path(os.environ.get("OFFLINE_AWS", ROOT.parent / "shared" / "terraform" / "offline-aws")) / "install.sh"
    if not (install.is_file() and shutil.which("go")):
        return None
    mirror = ROOT / ".local" / "offline-aws"
    subprocess.run([install, mirror], check=True, stdout=subprocess.DEVNULL)
    return mirror / "terraformrc"


def _environment(folder: Path) -> dict[str, str]:
    """The user's, without what would send a command elsewhere."""
    foreign = ("MAKE", "MFLAGS", "AWS_", "TF_", "ENDPOINT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    providers = _stand_in()
    return (
        kept
        | {"CLEAN_COPY": str(folder), "PORT": str(_port()), "PATH": f"{ROOT}/.local/venv/bin:{os.environ['PATH']}"}
        | ({"TF_CLI_CONFIG_FILE": str(providers)} if providers else {})
    )


def _told(error: GuideError) -> str:
    """What is said of an error: the error, or in one line what this machine lacks and what to do."""
    return _UNREACHED if _NO_PROVIDER.search(str(error)) else str(error)


def main() -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="guides-") as scratch:
        folder = Path(scratch)
        (folder / "clean").mkdir()
        (folder / "work").mkdir()
        clean_copy(folder / "clean")
        with Shell(folder / "work", _environment(folder / "clean"), _PRELUDE) as shell:
            try:
                for name in GUIDES:
                    if name.endswith("plan-for-aws.md") and not shutil.which("terraform"):
                        print(f"{name}: NOT RUN, there is no Terraform here")
                        continue
                    guide = (ROOT / name).read_text(encoding="utf-8")
                    ran, left = run(guide, name, shell)
                    print(f"{name}: {ran} commands run, {left} for readers alone ({time.monotonic() - started:.0f} s)")
            except GuideError as error:
                print(_told(error), file=sys.stderr)
                return 1
    return 0
