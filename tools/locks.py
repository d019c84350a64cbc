"""The requirement locks: uv compiles them with hashes, and the check needs no network."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
# The order matters: earlier locks may constrain a later one.
LOCKS = (
    "requirements/layer",
    "requirements/runtime",
    "requirements/tools",
    "requirements/test",
    "requirements/lint",
    "requirements/emulator",
)
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*])?==([^\s;\\]+)")


def locks() -> list[str]:
    """The path of every lock, without suffix. Locks of new functions come after the known ones."""
    found = {path.with_suffix("").relative_to(ROOT).as_posix() for path in ROOT.glob("requirements/*.in")}
    found |= {path.with_suffix("").relative_to(ROOT).as_posix() for path in ROOT.glob("functions/*/requirements.in")}
    return [lock for lock in LOCKS if lock in found] + sorted(found - set(LOCKS))


def compile_all() -> int:
    for lock in locks():
        print(f"compiling {lock}.txt")
        command = ["uv", "pip", "compile", "--universal", "--generate-hashes", "--python-version", "3.11"]
        command += [
            "--no-header",
            "--no-emit-index-url",
            "--quiet",
            Path(lock).name + ".in",
            "-o",
            Path(lock).name + ".txt",
        ]
        if (
            overrides := (ROOT / lock).with_suffix(".overrides")
        ).exists():  # requirements of its input that the lock leaves out
            command += ["--override", overrides.name]
        subprocess.run([f"{sys.prefix}/bin/{command[0]}", *command[1:]], cwd=(ROOT / lock).parent, check=True)
    return 0


def check_all() -> int:
    problems = [problem for lock in locks() for problem in problems_of(ROOT / f"{lock}.in", ROOT / f"{lock}.txt")]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(locks())} locks, {len(problems)} problems")
    return 1 if problems else 0


def problems_of(wanted: Path, lock: Path) -> list[str]:
    """The problems of a lock: a requirement that it does not meet, a pin without a hash, a URL in it."""
    if not lock.exists():
        return [f"{lock.name}: is missing; run `make lock`"]
    text = lock.read_text(encoding="utf-8")
    pins = {match[1]: match[2] for line in text.splitlines() if (match := _PIN.match(line))}
    problems = [f"{lock}: {name} has no hash" for name in pins if not _hashed(text, name)]
    problems += [f"{lock}: names an address" for line in text.splitlines() if "://" in line]
    for line in wanted.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith(("#", "-")):
            requirement = Requirement(line)
            pin = pins.get(requirement.name)
            if pin is None or not requirement.specifier.contains(pin):
                problems.append(f"{lock}: does not meet {line} ({pin or 'absent'}); run `make lock`")
    return problems


def _hashed(text: str, name: str) -> bool:
    return re.search(rf"^{re.escape(name)}(\[[^]]*])?==[^\n]*\\\n\s+--hash=sha256:", text, re.MULTILINE) is not None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tools.locks")
    parser.add_argument("action", choices=["check", "compile"])
    sys.exit(compile_all() if parser.parse_args().action == "compile" else check_all())
