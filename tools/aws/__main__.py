"""`python -m tools.aws`: the commands behind `make bootstrap-key`, `secret`, `seed`, `smoke`, `redrive`, `rebuild`,
and the checks that deploy.sh makes before it runs Terraform."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from gateway.errors import StoreError, StoreUnavailable
from tools.aws import backend
from tools.aws.described import described
from tools.aws.place import OperatorError, Place, place
from tools.local.emulator import ROOT

# Each command imports its own modules: deploy.sh runs three that need little, and all others take a quarter second.
Command = Callable[[Place, argparse.Namespace], int]


def _whoami(where: Place, _arguments: argparse.Namespace) -> int:
    by = f", by {where.role}" if where.role else ""
    print(f"account {where.names.account}, region {where.names.region}, names {where.names.prefix}-*{by}")
    return 0


def _backend(where: Place, arguments: argparse.Namespace) -> int:
    kept = Path(arguments.file)
    text = backend.settings(described(where.names.environment), os.environ.get("STATE_BUCKET", ""), kept)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(text, encoding="utf-8")
    return 0


def _state(where: Place, _arguments: argparse.Namespace) -> int:
    backend.check_state(where, sys.stdin.read())
    return 0


def _bootstrap_key(where: Place, _arguments: argparse.Namespace) -> int:
    from tools.aws import keys

    text = keys.bootstrap(where)
    print("The admin key, shown this once:", file=sys.stderr)
    print(text)
    return 0


def _secret(where: Place, arguments: argparse.Namespace) -> int:
    from tools.aws import secret

    print(f"{secret.put(where, arguments.provider)} is set; functions that run use it within five minutes.")
    return 0


def _seed(where: Place, _arguments: argparse.Namespace) -> int:
    from tools.local import seed

    print(
        f"{seed.seed_products(where.database(), where.names)} products are in {where.names.table('product-catalog')}."
    )
    return 0


def _smoke(where: Place, arguments: argparse.Namespace) -> int:
    from tools.aws import smoke

    url, stream = where.base_url(), where.stream_url()
    print(url)
    print(f"{stream} (streams)")
    passed = True
    for check in smoke.checks(url, os.environ.get("GATEWAY_KEY", ""), arguments.model, stream):
        print(f"  {'ok    ' if check.passed else 'FAILED'} {check.name}" + ("" if check.passed else f": {check.said}"))
        passed = passed and check.passed
    return 0 if passed else 1


def _verify(where: Place, arguments: argparse.Namespace) -> int:
    from tools.aws import verify

    admin = os.environ.get("GATEWAY_KEY", "")
    if not admin:
        raise OperatorError("GATEWAY_KEY must hold an admin's key: read -rs GATEWAY_KEY && export GATEWAY_KEY.")
    asked = verify.Verification(where, where.base_url(), where.stream_url(), admin, arguments.model)
    seen = []
    for each in asked.run():
        print(each.line(), flush=True)
        seen.append(each)
    file = ROOT / ".local" / f"verify-aws-{where.names.environment}.md"
    file.write_text(verify.report(where.names.prefix, where.names.region, seen, time.time()), encoding="utf-8")
    print(f"written to {file.relative_to(ROOT)}")
    return 1 if any(each.passed is False for each in seen) else 0


def _said(outcome: tuple[list[str], bool]) -> int:
    lines, well = outcome
    print("\n".join(lines))
    return 0 if well else 1


def _redrive(where: Place, _arguments: argparse.Namespace) -> int:
    from tools.aws import bill

    return _said(bill.redriven(where))


def _rebuild(where: Place, arguments: argparse.Namespace) -> int:
    from tools.aws import bill

    return _said(bill.rebuilt(where, arguments.first, arguments.last, apply=arguments.apply == "yes"))


COMMANDS: dict[str, Command] = {
    "whoami": _whoami,
    "backend": _backend,
    "state": _state,
    "bootstrap-key": _bootstrap_key,
    "secret": _secret,
    "seed": _seed,
    "smoke": _smoke,
    "verify-aws": _verify,
    "redrive": _redrive,
    "rebuild": _rebuild,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools.aws", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--env", required=True, help="the environment: dev, staging, prod")
    parser.add_argument("--endpoint", default="", help="an emulator that stands in for AWS")
    parser.add_argument("--file", default="", help="where the settings of the state are written (backend)")
    parser.add_argument("--provider", default="openai", help="whose secret (secret)")
    parser.add_argument(
        "--model",
        default="",
        help="a further model to call, which costs its price (smoke); the model that is called (verify-aws)",
    )
    parser.add_argument("--from", dest="first", default="", help="the first UTC day (rebuild)")
    parser.add_argument("--to", dest="last", default="", help="the last UTC day (rebuild)")
    parser.add_argument("--apply", default="", help="yes: correct the differences (rebuild)")
    arguments = parser.parse_args()
    try:
        return COMMANDS[arguments.command](place(arguments.env, arguments.endpoint), arguments)
    except (OperatorError, BotoCoreError, ClientError, StoreError, StoreUnavailable) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
