"""Cleans up after `make run` if that can't: because it was killed, or the machine ran out of memory.

Its standard input is a pipe that only `make run` holds. Lines `group <pid>` and `folder <path>` name what to clean up.
When the pipe closes, the guard ends the groups and removes the folders. A line `done` means that nothing is left to do.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

_PATIENCE_SECONDS = 8.0


def main(lines: Iterable[str]) -> None:
    groups: list[int] = []
    folders: list[str] = []
    for line in lines:
        word, _, said = line.rstrip("\n").partition(" ")
        if word == "done":
            return
        if word == "group":
            groups.append(int(said))
        elif word == "folder":
            folders.append(said)
    for sent in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for group in groups:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, sent)
        while any(_lives(group) for group in groups) and time.monotonic() < deadline:
            time.sleep(0.05)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main(sys.stdin)
