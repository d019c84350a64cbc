"""`python -m tests.upgrade write NAME` writes a base of the current code. `shapes` writes docs/stored-shapes.md
again."""

from __future__ import annotations

import argparse
import sys

from tests.upgrade import base, listing
from tools.local.emulator import ROOT


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.upgrade", description=__doc__)
    parser.add_argument("command", choices=["write", "shapes"])
    parser.add_argument("name", nargs="?", default="", help="of the base: the release, such as 0.2")
    arguments = parser.parse_args()
    if arguments.command == "write":
        if not arguments.name:
            parser.error("write needs the base's name, such as 0.2")
        print(f"written: {base.write(arguments.name).relative_to(ROOT)}")
    listing.FILE.write_text(listing.text(listing.now()), encoding="utf-8")
    print(f"written: {listing.FILE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
