"""`python -m tools.build`: build everything that is deployed, and print the sizes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.build.artifacts import ROOT, BuildResult, build
from tools.build.target import BuildError, Target, aws_target, local_target


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools.build", description=__doc__)
    parser.add_argument("--target", choices=["aws", "local"], default="aws")
    parser.add_argument("--python-version", default="3.13", help="of the AWS runtime (default 3.13)")
    parser.add_argument("--architecture", choices=["arm64", "x86_64"], default="arm64", help="of the AWS runtime")
    parser.add_argument("--target-python", type=Path, help="interpreter of a local build (default: the emulator's)")
    parser.add_argument("--out", type=Path, help="output folder (default: build/<target>)")
    arguments = parser.parse_args()
    try:
        target = _target(arguments)
        result = build(target, arguments.out or ROOT / "build" / target.name)
    except BuildError as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    report(result)
    return 0


def report(result: BuildResult) -> None:
    for name, artifact in result.artifacts.items():
        print(f"  {name:<20} {artifact.bytes / 1024:8.0f} KB zip {artifact.unzipped / 1024:8.0f} KB unzipped")
    if not result.compiled:
        print(f"  no Python {result.target.python} was found here, so there are no .pyc files: start-up will take twice the CPU")
    print(f"  in {result.folder}")


def _target(arguments: argparse.Namespace) -> Target:
    if arguments.target == "aws":
        return aws_target(arguments.python_version, arguments.architecture)
    return local_target(arguments.target_python or ROOT / ".local" / "emulator" / "bin" / "python")


if __name__ == "__main__":
    sys.exit(main())
