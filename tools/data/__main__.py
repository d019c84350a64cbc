"""`python -m tools.data`: a table out into files and back, and what a restored one needs. See docs/restore.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from gateway.errors import StoreError, StoreUnavailable
from tools.aws.place import OperatorError, Place, place
from tools.data import hours, keys, moves
from tools.data.files import Damaged, Export
from tools.local.deploy import table_request
from tools.local.emulator import ROOT
from tools.manifest import load


def _export(where: Place, arguments: argparse.Namespace) -> int:
    table = arguments.name or where.names.table(arguments.table)
    count = moves.exported(where.database(), table, Export(Path(arguments.dir)), print)
    print(f"{table}: {count} items are in {arguments.dir}")
    return 0


def _import(where: Place, arguments: argparse.Namespace) -> int:
    name = _named(arguments)
    client = where.client("dynamodb")
    if name not in client.list_tables()["TableNames"]:
        client.create_table(**table_request(name, load(ROOT).tables[arguments.table]))
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 2, "MaxAttempts": 60})
    count = moves.imported(where.database(), name, Export(Path(arguments.dir)), print, again=arguments.again)
    print(f"{name}: {count} items were put")
    return _verify(where, arguments)


def _verify(where: Place, arguments: argparse.Namespace) -> int:
    expected, found, same = moves.compared(where.database(), _named(arguments), Export(Path(arguments.dir)))
    print(f"{_named(arguments)}: {found} items, the export {expected}: {'the same' if same else 'NOT the same'}")
    return 0 if same else 1


def _keys(where: Place, arguments: argparse.Namespace) -> int:
    """A restored table of keys, held against the limits."""
    database, records, limits = where.database(), _named(arguments), where.names.table("limits")
    result = keys.judged(database, records, limits, arguments.keep)
    print(f"{records}: {result.fine} records are as the limits table knows them, {len(result.doubts)} are not")
    for each in result.doubts:
        print(f"  {each.kind} {each.id} ({each.name}) {each.why}")
    for name in result.lost:
        print(f"  key {name} was made since: its owner needs a new one")
    if arguments.apply == "yes":
        print(f"{keys.ended(database, records, limits, result.doubts)} keys revoked")
        return 0
    return 1 if result.doubts else 0


def _hours(where: Place, arguments: argparse.Namespace) -> int:
    """The hours since the restore point, for a restored table of limits."""
    rows, records = where.names.table("request-analytics"), where.names.table("api-keys")
    since = datetime.fromisoformat(arguments.since.replace("Z", "+00:00"))
    count = hours.put(where.database(), _named(arguments), rows, records, since)
    print(f"{_named(arguments)}: {count} hours of accounts wait for the reconcile")
    return 0


def _named(arguments: argparse.Namespace) -> str:
    if not arguments.name:
        raise OperatorError("--name must say the restored table's real name.")
    return str(arguments.name)


COMMANDS: dict[str, Callable[[Place, argparse.Namespace], int]] = {
    "export": _export,
    "import": _import,
    "verify": _verify,
    "keys": _keys,
    "hours": _hours,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools.data", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--env", required=True, help="the environment: dev, staging, prod")
    parser.add_argument("--endpoint", default="", help="an emulator that stands in for AWS")
    parser.add_argument("--table", choices=sorted(load(ROOT).tables), default="api-keys")
    parser.add_argument("--name", default="", help="the real name of a table, such as a restored one's")
    parser.add_argument("--dir", default="", help="the folder of an export")
    parser.add_argument("--again", action="store_true", help="continue an interrupted import")
    parser.add_argument("--keep", action="append", default=[], help="the id of a key that is fine (keys)")
    parser.add_argument("--since", default="", help="the restore point, such as 2026-11-27T14:05:00Z (hours)")
    parser.add_argument("--apply", default="", help="yes: revoke the keys in doubt (keys)")
    arguments = parser.parse_args()
    try:
        return COMMANDS[arguments.command](place(arguments.env, arguments.endpoint), arguments)
    except (OperatorError, Damaged, moves.NotEmpty, BotoCoreError, ClientError, StoreError, StoreUnavailable) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
