"""The golden plan's reader: our values are compared, values that the provider fills in are not, and nothing else is
lost."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.golden.plan import UNKNOWN, Plan, Sources
from tools.golden.text import differences, listed, parsed, relative, restored, written
from tools.golden.unseen import unseen
from tools.hcl import HclError, read
from tools.local.emulator import ROOT

MAIN = """
resource "aws_thing" "this" {
  for_each = local.things # a comment

  name   = "${var.prefix}-${join("", [for x in ["a"] : "${x}}"])}"
  policy = jsonencode({
    Statement = [] # {
  })
  gone = null

  lifecycle {
    ignore_changes = [name]
  }

  dynamic "rule" {
    for_each = var.rules
    content {
      id   = rule.key
      size = rule.value
    }
  }
}

locals {
  things = { a = 1 }
}

variable "prefix" {
  default = "x"
}

check "it" {
  assert {
    condition     = length(local.things) > 0
    error_message = <<-TEXT
      Nothing } is there.
    TEXT
  }
}
"""
AFTER: dict[str, Any] = {
    "name": "x-a",
    "policy": '{"Statement": [{"Sid": "One", "Action": ["s3:Get"]}]}',
    "gone": "filled in by the provider",
    "rule": [{"id": "b", "size": 2, "other": None}, {"id": "a", "size": 1, "other": None}],
    "arn": "arn:aws:thing:us-east-1:123456789012:x-a",
}


def plan(folder: Path, after: dict[str, Any], unknown: dict[str, Any] | None = None) -> dict[str, list[str]]:
    folder.mkdir(exist_ok=True)
    (folder / "main.tf").write_text(MAIN, encoding="utf-8")
    change = {"after": after, "after_unknown": unknown or {}}
    resource = {"mode": "managed", "address": "aws_thing.this", "type": "aws_thing", "name": "this", "change": change}
    return listed(Plan({"resource_changes": [resource], "output_changes": {}}, Sources(folder), {}).blocks())


def test_what_the_block_names_is_compared(tmp_path: Path) -> None:
    assert plan(tmp_path, AFTER)["aws_thing.this"] == [
        'name = "x-a"',
        'policy{} = {"Statement": [{"Action": ["s3:Get"], "Sid": "One"}]}',
        'rule["a"].id = "a"',
        'rule["a"].size = 1',
        'rule["b"].id = "b"',
        'rule["b"].size = 2',
    ]


def test_what_a_newer_provider_adds_is_not(tmp_path: Path) -> None:
    newer = copy.deepcopy(AFTER) | {"region": "us-east-1", "new_default": True, "block": [{"enabled": False}]}
    newer["rule"] = [each | {"priority": 0} for each in reversed(newer["rule"])]
    assert list(differences(plan(tmp_path, AFTER), plan(tmp_path, newer))) == []


@pytest.mark.parametrize(
    "change", [{"name": "y"}, {"policy": '{"Statement": []}'}, {"rule": []}, {"rule": [{"id": "a", "size": 3}]}]
)
def test_any_other_value_is_told(tmp_path: Path, change: dict[str, Any]) -> None:
    lines = list(differences(plan(tmp_path, AFTER), plan(tmp_path, AFTER | change)))
    assert lines[0] == "aws_thing.this"
    assert any(line.startswith("  -") for line in lines)


def test_what_an_apply_alone_knows_agrees_with_anything_but_absence(tmp_path: Path) -> None:
    known = plan(tmp_path, AFTER)
    later = plan(tmp_path, AFTER | {"name": None, "policy": None}, {"name": True, "policy": True})
    assert f"name = {UNKNOWN}" in later["aws_thing.this"]
    assert list(differences(known, later)) == []
    never = {"aws_thing.this": [line for line in known["aws_thing.this"] if not line.startswith("name")]}
    assert list(differences(never, later)) != []


def test_gone_and_new_resources_are_told(tmp_path: Path) -> None:
    one = plan(tmp_path, AFTER)
    assert next(differences(one, {})) == "aws_thing.this (gone)"
    assert next(differences({}, one)) == "aws_thing.this (new)"


def test_what_no_plan_shows_stands_there(tmp_path: Path) -> None:
    plan(tmp_path, AFTER)
    found = unseen(Sources(tmp_path))
    assert found['resource "aws_thing" "this"'] == [
        "for_each = local.things",
        "lifecycle",
        "  ignore_changes = [name]",
    ]
    assert found['variable "prefix"'] == ['default = "x"']
    assert found['check "it"'][-1] == "local.things = { a = 1 }"
    assert "  condition = length(local.things) > 0" in found['check "it"']


def test_every_file_of_ours_is_read() -> None:
    files = [*(ROOT / "terraform").rglob("*.tf"), *(ROOT / "terraform").rglob("*.tfvars")]
    assert len(files) > 20
    for file in files:
        body = read(file)
        assert body.attributes or body.blocks, file


@pytest.mark.parametrize("text", ['a "b" {', 'a = "b', "= 1", 'a {\n  b = "${"\n}'])
def test_what_cant_be_read_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "main.tf").write_text(text, encoding="utf-8")
    with pytest.raises(HclError, match=r"main\.tf"):
        read(tmp_path / "main.tf")


LINES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("123"), min_size=1)
BLOCKS = st.dictionaries(st.sampled_from(["x", 'y["1"]', "z"]), LINES)


@given(BLOCKS, BLOCKS)
def test_a_variant_is_its_difference_to_the_base(one: dict[str, Any], other: dict[str, Any]) -> None:
    base, variant = listed(one), listed(other)
    assert restored(base, parsed(written(relative(base, variant)))) == variant
    assert (list(differences(base, variant)) == []) == (base == variant)
