"""A function can be renamed in one apply, although AWS refuses to delete an integration that a route still uses."""

from __future__ import annotations

import re
from pathlib import Path

from tests.terraform.sabotage import VARIABLES, changed, terraform


def test_routes_go_over_before_the_old_integration_goes(copy: Path, tmp_path: Path) -> None:
    folder = changed(copy, tmp_path / "copy")
    zips = tmp_path / "zips"
    zips.mkdir()
    for file in (copy / "build" / "aws-arm64-py313").glob("*.zip"):
        (zips / file.name).symlink_to(file)
    (zips / "catalogue.zip").symlink_to(copy / "build" / "aws-arm64-py313" / "mcp.zip")
    apply = ("apply", *VARIABLES, "-auto-approve", "-var", f'artifacts={{directory="{zips}"}}')
    run = terraform(folder, *apply)
    assert run.returncode == 0, run.stderr
    (folder.parent / "functions" / "mcp").rename(folder.parent / "functions" / "catalogue")
    run = terraform(folder, *apply)
    assert run.returncode == 0, run.stderr
    said = run.stdout.splitlines()

    def at(form: str) -> list[int]:
        return [number for number, line in enumerate(said) if re.match(form, line)]

    moved = at(r"aws_apigatewayv2_route\.this\[.*\]: Modifications complete")
    (gone,) = at(r'aws_apigatewayv2_integration\.this\["mcp"\]( \(deposed object \w+\))?: Destroying')
    assert len(moved) >= 7
    assert max(moved) < gone
    again = terraform(folder, "plan", *VARIABLES, "-detailed-exitcode", "-var", f'artifacts={{directory="{zips}"}}')
    assert again.returncode == 0, again.stdout
