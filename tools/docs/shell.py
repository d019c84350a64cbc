"""A bash that lives for a whole guide: variables, functions and the folder stay from one command to the next."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, cast

_COMMAND_SECONDS = 600.0


class Shell:
    """Commands run in `folder`, each with nothing on its standard input. All that they started ends with the block."""

    def __init__(self, folder: Path, environment: Mapping[str, str], prelude: str) -> None:
        self._scratch = folder.parent / "commands"
        self._scratch.mkdir()
        self._count = 0
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
            text=True,
        )
        self._in, self._out = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        self.run(prelude)

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with suppress(BrokenPipeError):
            self._in.close()
        self._end()
        self._out.close()

    def _end(self) -> None:
        for sent, patience in ((signal.SIGTERM, 30.0), (signal.SIGKILL, 10.0)):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, sent)
            deadline = time.monotonic() + patience
            while self._lives() and time.monotonic() < deadline:
                time.sleep(0.1)
            if not self._lives():
                return

    def _lives(self) -> bool:
        """Whether anything of the shell's group is left; the shell itself is waited for."""
        self._process.poll()
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def run(self, command: str) -> tuple[int, str]:
        """Exit code and output, both streams in one."""
        file, out = self._written(command)
        self._say(f'source "{file}" </dev/null >"{out}" 2>&1; printf "%s\\n" "$?"')
        return int(self._heard()), out.read_text(encoding="utf-8", errors="replace")

    def background(self, command: str, until: str, seconds: float) -> str:
        """Start a command that runs on; its output as soon as that has the text, or when the time is over."""
        file, out = self._written(command)
        self._say(f'source "{file}" </dev/null >"{out}" 2>&1 &')
        self._say('printf "0\\n"')
        self._heard()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            said = out.read_text(encoding="utf-8", errors="replace") if out.exists() else ""
            if until in said:
                return said
            time.sleep(0.1)
        return out.read_text(encoding="utf-8", errors="replace")

    def _written(self, command: str) -> tuple[Path, Path]:
        self._count += 1
        file = self._scratch / f"{self._count}.sh"
        file.write_text(command + "\n", encoding="utf-8")
        return file, file.with_suffix(".out")

    def _say(self, line: str) -> None:
        self._in.write(line + "\n")
        self._in.flush()

    def _heard(self) -> str:
        ready, _, _ = select.select([self._out], [], [], _COMMAND_SECONDS)
        return self._out.readline().strip() if ready else "124"
