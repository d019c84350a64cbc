"""The modules that a function loads when it starts: each one adds its milliseconds to every cold start."""

import json
import subprocess
import sys

import pytest

from tools.local.emulator import ROOT

HEAVY = {
    "pydantic",
    "openai",
    "boto3",
    "botocore.session",
    "botocore.auth",
    "httpx2",
    "aws_xray_sdk",
    "aws_lambda_powertools",
}


def loaded(code: str) -> set[str]:
    script = f"import sys, json; sys.path[:0] = ['shared', '.']; {code}; print(json.dumps(sorted(sys.modules)))"
    environment = {
        "PATH": "/usr/bin",
        "AWS_REGION": "us-east-1",
        "GATEWAY_ENVIRONMENT": "x",
        "GATEWAY_TABLE_PREFIX": "x",
    }
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    modules = set(json.loads(run.stdout))
    assert any(name.startswith("gateway.") for name in modules)
    return modules


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import functions.authorizer.handler; from gateway.wiring import gateway; gateway().identity", set()),
        ("import functions.health.handler; from gateway.wiring import gateway; gateway().health", set()),
        ("import functions.analytics.handler; from gateway.wiring import gateway; gateway().rollup", set()),
        ("import functions.sweeper.handler; from gateway.wiring import gateway; gateway().sweeper", {"pydantic"}),
        (
            "import functions.completions.handler; from gateway.wiring import gateway; gateway().completions",
            {"pydantic"},
        ),
        ("import functions.stream.server; from gateway.wiring import gateway; gateway().completions", {"pydantic"}),
        ("import functions.completions.handler; import gateway.vendors.bedrock", {"pydantic"}),
        ("import functions.completions.handler; import gateway.vendors.openai", {"pydantic"}),
        ("import functions.admin.handler; from gateway.wiring import gateway; gateway().config_admin", {"pydantic"}),
        ("import functions.mcp.handler; from gateway.wiring import gateway; gateway().mcp", {"pydantic"}),
    ],
)
def test_a_function_starts_with_no_more_than_it_needs(code: str, allowed: set[str]) -> None:
    assert loaded(code) & HEAVY <= allowed


@pytest.mark.parametrize("function", ["authorizer", "health", "analytics"])
def test_a_start_without_pydantic_loads_no_typing_extensions(function: str) -> None:
    modules = loaded(f"import functions.{function}.handler")
    assert "msgspec" in modules
    assert "typing_extensions" not in modules


def test_typing_extensions_can_be_imported_after_the_layer() -> None:
    assert "typing_extensions" in loaded("import gateway.errors; import typing_extensions; typing_extensions.Required")


def test_health_opens_no_connection_to_say_it_is_alive() -> None:
    assert "ssl" not in loaded(
        "import functions.health.handler; from gateway.wiring import gateway; gateway().health.alive()"
    )


def test_a_paid_call_loads_no_model_of_a_product_and_nothing_of_an_admin() -> None:
    modules = loaded("import functions.completions.handler; import gateway.dialects.chat.spoken")
    assert not modules & {"gateway.catalogue.products", "gateway.config.checks"}


def test_a_start_searches_for_no_plugins_and_loads_nothing_that_most_calls_do_not_need() -> None:
    modules = loaded("import functions.completions.handler")
    assert not modules & {"importlib.metadata", "gateway.calls.idempotency", "gateway.mcp.jsonrpc"}


def test_typing_understands_annotations_as_before_after_a_start() -> None:
    for name in ("completions.handler", "stream.handler"):
        loaded(
            f"import functions.{name}, typing\n"
            "class Pair(typing.NamedTuple):\n    one: 'int | None'\n    other: 'list[int]'\n"
            "assert typing.get_type_hints(Pair) == {'one': int | None, 'other': list[int]}\n"
            "try: typing.ForwardRef('a |')\n"
            "except SyntaxError: pass\n"
            "else: raise AssertionError\n"
            "pass"  # `loaded` goes on behind it
        )


def test_typing_compiles_no_annotation_twice_in_a_start() -> None:
    """If a Python no longer looks for `compile` among the names of typing, `gateway.handlers.starting` does nothing."""
    for name in ("completions.handler", "stream.handler"):
        loaded(
            f"import functions.{name}, typing; known = typing.compile.cache_info(); assert known.hits > known.misses"
        )


def test_garbage_is_looked_for_again_after_the_start() -> None:
    for name in ("completions.handler", "stream.handler"):
        loaded(f"import gc, functions.{name}; assert gc.isenabled(); assert gc.get_freeze_count() > 10_000")
