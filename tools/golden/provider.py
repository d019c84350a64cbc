"""`python -m tools.golden.provider COMMAND...`: run a command of Terraform with one provider that is kept running.

Terraform starts its provider three times for a plan and once to show it, and each start reads the schema of every
resource of AWS again: a third of a plan's CPU. Terraform has a way to use a provider that runs already, which is meant
for debugging one (TF_REATTACH_PROVIDERS). Here only the offline stand-in is used so. Each command, or each plan with
its `show`, gets its own process, in the same folder and with the same variables, so that nothing of one check can reach
another.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ADDRESS = "registry.terraform.io/hashicorp/aws"
# What Terraform says to a provider when it starts one, so that nobody else starts it by accident.
_COOKIE = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"
# Terraform and the stand-in read the schemas of 1,576 resources and then end: collecting their garbage less often takes
# a fifth less CPU, and some hundred MB more.
_GARBAGE = {"GOGC": "400"}


def stand_in(environment: Mapping[str, str]) -> Path | None:
    """The stand-in's program: it lies in the mirror, next to Terraform's settings. None for the real provider."""
    mirror = Path(environment.get("TF_CLI_CONFIG_FILE") or os.devnull).parent / ADDRESS
    programs = list(mirror.glob("*/*/terraform-provider-aws_*"))
    return programs[0] if len(programs) == 1 else None


@contextmanager
def kept(folder: Path, environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The environment for commands of Terraform in `folder`, while the stand-in runs for them.

    Raises ConnectionError if it does not start. Without a stand-in nothing is started."""
    program = stand_in(environment)
    settings = {**environment, **_GARBAGE}
    if program is None:
        yield settings
        return
    with tempfile.TemporaryDirectory() as sockets:
        asked = settings | {"TF_PLUGIN_MAGIC_COOKIE": _COOKIE, "PLUGIN_UNIX_SOCKET_DIR": sockets}
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        with subprocess.Popen([program], cwd=folder, env=asked, stdout=pipe, stderr=null, text=True) as process:
            try:
                ready = process.stdout.readline() if process.stdout else ""
                provider = {ADDRESS: _reached(ready, process.pid)}
                yield settings | {"TF_REATTACH_PROVIDERS": json.dumps(provider)}
            finally:
                process.terminate()


def _reached(said: str, pid: int) -> dict[str, object]:
    """How Terraform reaches a provider, from the line with which the provider says that it is ready."""
    parts = said.strip().split("|")
    if len(parts) < 5:
        raise ConnectionError(f"the stand-in did not start: {said!r}")
    _, version, network, address, protocol = parts[:5]
    return {
        "Protocol": protocol,
        "ProtocolVersion": int(version),
        "Pid": pid,
        "Test": True,  # it is not Terraform's to end
        "Addr": {"Network": network, "String": address},
    }


def main() -> int:
    with kept(Path.cwd(), os.environ) as environment:
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
