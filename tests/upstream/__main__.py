"""`python -m tests.upstream --port 0`: prints its URL and serves until it is ended."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from types import FrameType

from tests.upstream.server import FakeUpstream


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.upstream", description="A fake OpenAI and Bedrock.")
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one")
    fake = FakeUpstream(parser.parse_args().port)
    signal.signal(signal.SIGTERM, _interrupt)
    sys.stdout.write(f"{fake.url}\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        fake.serve()
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
