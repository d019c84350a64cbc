"""Descriptions are read strictly: every mistake is named by file and key, all of them at once."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.local.emulator import ROOT
from tools.manifest import ManifestError, Names, load
from tools.manifest.names import Called, statements, variables

Edit = Callable[[dict[str, Any]], Any]

GRANT = {"actions": ["s3:GetObject"], "resources": ["arn:{partition}:s3:::{bucket}"], "reason": "because it is so"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The project's own descriptions, which a test may spoil."""
    for file in ("shared/tables.json", "shared/environment.json", "shared/cors.json", "shared/adapter.json"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    for folder in ROOT.glob("functions/*/"):
        if (folder / "function.json").exists():
            shutil.copytree(folder, tmp_path / "functions" / folder.name)
    return tmp_path


def edit(root: Path, file: str, change: Edit) -> None:
    path = root / file
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def add(root: Path, name: str, **keys: Any) -> Path:
    """The folder of a new function."""
    folder = root / "functions" / name
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "handler.py").write_text("def handler(event, context):\n    return {'statusCode': 200, 'body': 'hi'}\n")
    described = {
        "description": "A function added on the fly.",
        "handler": f"functions.{name}.handler.handler",
        "memory": 128,
        "timeout": 5,
    }
    (folder / "function.json").write_text(json.dumps(described | keys))
    return folder


def problems(root: Path) -> list[str]:
    with pytest.raises(ManifestError) as refused:
        load(root)
    return refused.value.problems


def test_the_projects_own_descriptions_are_right() -> None:
    manifest = load(ROOT)
    assert {"authorizer", "completions", "health", "admin", "analytics"} <= set(manifest.functions)
    assert manifest.authorizer == "authorizer"
    assert manifest.routes()["POST /v1/chat/completions"] == ("completions", "bearer")


@pytest.mark.parametrize("key", ["doors", "mode", "layers", "memroy"])
def test_a_key_that_nothing_reads_is_refused(root: Path, key: str) -> None:
    add(root, "greet", **{key: "http"})
    assert [each for each in problems(root) if "greet" in each and key in each]


def test_adding_a_folder_adds_a_function(root: Path) -> None:
    add(root, "greet", routes={"GET /greet": "public"}, tables={"state": ["GetItem"]})
    manifest = load(root)
    assert manifest.routes()["GET /greet"] == ("greet", "public")
    names = Names("dev")
    rights = {statement["Sid"]: statement for statement in statements(manifest, "greet", names)}
    assert rights["TableState"]["Action"] == ["dynamodb:GetItem"]
    assert rights["TableState"]["Resource"] == ["arn:aws:dynamodb:us-east-1:000000000000:table/ai-gateway-dev-state"]


def test_a_right_on_partitions_is_a_statement_an_action(root: Path) -> None:
    add(root, "greet", tables={"state": {"PutItem": ["greeting#*", "config"], "GetItem": ["config"]}})
    rights = {each["Sid"]: each for each in statements(load(root), "greet", Names("dev")) if "Table" in each["Sid"]}
    assert set(rights) == {"TableStateGetItem", "TableStatePutItem"}
    assert rights["TableStatePutItem"]["Action"] == ["dynamodb:PutItem"]
    assert rights["TableStatePutItem"]["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["config", "greeting#*"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda f: f["routes"].update({"GET /health": "public"}), ("routes.GET /health", "functions/health/")),
        (lambda f: f["routes"].update({"FETCH /x": "public"}), ("routes.FETCH /x",)),
        (lambda f: f["routes"].update({"GET x": "public"}), ("routes.GET x",)),
        (lambda f: f["routes"].update({"GET /x": "secret"}), ("routes.GET /x",)),
        (lambda f: f["tables"].update({"nowhere": ["GetItem"]}), ("tables.nowhere", "no table nowhere")),
        (lambda f: f["tables"].update({"usage/by-moon": ["Query"]}), ("tables.usage/by-moon", "no index by-moon")),
        (lambda f: f["tables"].update({"api-keys/by-team": ["GetItem"]}), ("tables.api-keys/by-team", "Query alone")),
        (lambda f: f["tables"].update({"state": ["GetItm"]}), ("tables.state",)),
        (lambda f: f["tables"].update({"state": ["*"]}), ("tables.state",)),
        (lambda f: f["tables"].update({"state": ["DeleteTable"]}), ("tables.state",)),
        (lambda f: f["tables"].update({"state": ["GetItem", "GetItem"]}), ("tables.state", "twice")),
        (lambda f: f["tables"].update({"state": {}}), ("tables.state",)),
        (lambda f: f["tables"].update({"state": {"GetItm": ["config"]}}), ("tables.state.GetItm",)),
        (lambda f: f["tables"].update({"state": {"GetItem": []}}), ("tables.state.GetItem",)),
        (lambda f: f["tables"].update({"state": {"GetItem": ["*"]}}), ("tables.state.GetItem.0",)),
        (lambda f: f["tables"].update({"state": {"GetItem": ["con*"]}}), ("tables.state.GetItem.0",)),
        (
            lambda f: f["tables"].update({"state": {"GetItem": ["a", "a"]}}),
            ("tables.state", "GetItem: a key is there twice"),
        ),
        (lambda f: f["tables"].update({"state": {"Scan": ["config"]}}), ("tables.state", "whole table alone")),
        (
            lambda f: f["tables"].update({"api-keys/by-team": {"Query": ["blue"]}}),
            ("tables.api-keys/by-team", "granted whole"),
        ),
        (lambda f: f.update(environment=["NO_SUCH"]), ("environment.NO_SUCH",)),
        (lambda f: f.update(event={"stream": "nowhere"}), ("event.stream", "no table nowhere")),
        (lambda f: f.update(event={"stream": "usage"}), ("event.stream", "has no stream")),
        (lambda f: f.update(event={"schedule": "hourly"}), ("event.schedule",)),
        (lambda f: f.update(event={}), ("event",)),
        (lambda f: f.update(timeout=30), ("timeout",)),
        (lambda f: f.update(memory=64), ("memory",)),
        (lambda f: f.update(memory="512"), ("memory",)),
        (lambda f: f.update(handler="functions.admin.nothing.handler"), ("handler", "functions/admin/nothing.py")),
        (lambda f: f.update(handler="functions.health.handler.handler"), ("handler", "outside")),
        (lambda f: f.update(authorizer={"ttl": 60}), ("functions/authorizer/function.json", "only one")),
        (lambda f: f.update(name="health"), ("name",)),
        (lambda f: f.update(memmory=1), ("memmory",)),
        (lambda f: f.pop("description"), ("description",)),
        (lambda f: f.update(actions=[{"actions": ["s3:*"], "resources": ["*"], "reason": "x"}]), ("actions.0",)),
        (
            lambda f: f.update(
                actions=[
                    {
                        "actions": ["s3:GetObject"],
                        "resources": ["arn:{partition}:s3:::{bucket}"],
                        "reason": "because it is",
                    }
                ]
            ),
            ("actions.0.resources",),
        ),
    ],
)
def test_what_is_wrong_is_named_by_file_and_key(root: Path, change: Edit, expected: tuple[str, ...]) -> None:
    edit(root, "functions/admin/function.json", change)
    found = problems(root)
    files = ("functions/admin/", "functions/health/", "functions/authorizer/")
    named = [problem for problem in found if problem.startswith(files)]
    assert any(all(part in problem for part in expected) for problem in named), found


STREAMING = {
    "door": "stream",
    "handler": "functions/other/run.sh",
    "routes": {"POST /v1/other": "key", "HEAD /": "public"},
    "timeout": 900,
}


def test_the_door_that_streams_has_routes_of_its_own() -> None:
    manifest = load(ROOT)
    assert manifest.streaming == "stream"
    assert manifest.routes("stream")["POST /v1/chat/completions"] == ("stream", "key")
    assert {name for name, _ in manifest.routes().values()}.isdisjoint({"stream"})


def test_a_server_gets_what_its_adapter_goes_by_and_others_do_not() -> None:
    manifest = load(ROOT)
    given = variables(manifest, "stream", {"LOG_LEVEL": "INFO"})
    assert given == {"LOG_LEVEL": "INFO"} | manifest.adapter.environment
    assert given["AWS_LWA_INVOKE_MODE"] == "response_stream"
    assert f"GET {given['AWS_LWA_READINESS_CHECK_PATH']}" in manifest.routes("stream")
    assert variables(manifest, "completions", {"LOG_LEVEL": "INFO"}) == {"LOG_LEVEL": "INFO"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"timeout": 901}, "timeout"),
        ({"routes": {}}, "door: stream, but there are no routes"),
        ({"routes": {"GET /x": "bearer"}}, "routes.GET /x: bearer, but the door stream has public, key"),
        ({"door": "http", "handler": "functions.other.handler.handler", "timeout": 5}, "routes.POST /v1/other: key"),
        ({"handler": "functions.other.handler.handler"}, "the door stream starts functions/<name>/run.sh"),
        ({"handler": "functions/another/run.sh"}, "lies outside functions/other"),
        ({}, "there is no functions/other/run.sh"),
        ({"event": {"schedule": "rate(1 minute)"}}, "a server takes only requests"),
        ({"door": "window"}, "door"),
    ],
)
def test_what_is_wrong_at_the_door_that_streams(root: Path, change: dict[str, Any], expected: str) -> None:
    shutil.rmtree(root / "functions/stream")
    add(root, "other", **STREAMING | change)
    assert [each for each in problems(root) if each.startswith("functions/other/") and expected in each]


def test_two_functions_at_the_door_that_streams(root: Path) -> None:
    (add(root, "other", **STREAMING | {"routes": {"GET /other": "key"}}) / "run.sh").touch()
    assert problems(root) == ["functions/stream/function.json: door: only one function can be behind it, other is"]


def test_an_adapter_that_was_withdrawn(root: Path) -> None:
    edit(root, "shared/adapter.json", lambda adapter: adapter.update(version=29))
    assert any("shared/adapter.json: version" in each for each in problems(root))


def test_the_same_path_with_another_parameters_name_is_the_same_route(root: Path) -> None:
    add(root, "other", routes={"GET /api/v1/admin/keys/{name}": "public"})
    assert any("routes.GET /api/v1/admin/keys/{name}" in problem for problem in problems(root))


def test_a_key_that_stands_twice(root: Path) -> None:
    path = root / "functions/health/function.json"
    path.write_text(path.read_text().replace('"memory": 128,', '"memory": 128, "memory": 256,'))
    assert any("functions/health/function.json: memory: is there twice" in problem for problem in problems(root))


def test_broken_json_a_missing_file_and_no_authorizer(root: Path) -> None:
    (root / "functions/authorizer/function.json").write_text("{")
    (root / "shared/environment.json").unlink()
    found = problems(root)
    assert any("functions/authorizer/function.json: is not valid JSON" in problem for problem in found)
    assert any("shared/environment.json: is missing" in problem for problem in found)
    assert any("no function.json has it" in problem for problem in found)


def test_tables_are_strict_too(root: Path) -> None:
    edit(root, "shared/tables.json", lambda tables: tables["usage"].update(streem="NEW_IMAGE"))
    assert any("shared/tables.json: usage.streem" in problem for problem in problems(root))


def test_variables_are_what_a_function_asks_for_and_empty_ones_are_left_out() -> None:
    values = {"GATEWAY_ENVIRONMENT": "dev", "GATEWAY_PROVIDERS": "openai", "OPENAI_BASE_URL": "", "LOG_LEVEL": "INFO"}
    given = variables(load(ROOT), "completions", values)
    assert given == {"GATEWAY_ENVIRONMENT": "dev", "GATEWAY_PROVIDERS": "openai", "LOG_LEVEL": "INFO"}
    assert "GATEWAY_PROVIDERS" not in variables(load(ROOT), "authorizer", values)


def test_no_function_may_do_everything() -> None:
    manifest, names = load(ROOT), Names("dev")
    for folder in manifest.functions:
        for statement in statements(manifest, folder, names):
            assert not any("*" in action for action in statement["Action"])
            assert statement["Resource"] != ["*"] or statement["Sid"] == "Traces"


@pytest.mark.parametrize("folder", sorted(load(ROOT).functions))
def test_handlers_serve_exactly_the_described_routes_with_the_same_access(folder: str) -> None:
    described = load(ROOT).functions[folder]
    module = __import__(f"functions.{folder}.handler", fromlist=["ROUTES"])
    assert {route.method_path: route.auth for route in getattr(module, "ROUTES", ())} == described.routes
    assert len((ROOT / "functions" / folder / "README.md").read_text().splitlines()) <= 15


def _on_models(called: Called) -> dict[str, tuple[list[str], list[str], Any]]:
    """By Sid: actions, resources and condition of the rights of completions on models and their secrets."""
    found = statements(load(ROOT), "completions", Names("dev", region="eu-central-1"), called)
    return {
        each["Sid"]: (each["Action"], each["Resource"], each.get("Condition"))
        for each in found
        if each["Sid"].startswith(("Models", "SecretBedrock"))
    }


def test_rights_on_models_follow_the_regions_and_the_forms_of_ids() -> None:
    found = _on_models(Called(("bedrock",), ("us-east-1", "us-west-2"), ("anthropic.claude-*", "amazon.nova-*")))
    actions, resources, condition = found["ModelsBedrock"]
    assert (actions, condition) == (["bedrock:InvokeModel"], None)
    assert len(resources) == 8
    assert "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-*" in resources
    profile = "arn:aws:bedrock:us-west-2:000000000000:inference-profile/*.anthropic.claude-*"
    assert profile in resources
    _, resources, condition = found["ModelsBedrockByProfile"]
    assert resources == [
        "arn:aws:bedrock:*::foundation-model/anthropic.claude-*",
        "arn:aws:bedrock:*::foundation-model/amazon.nova-*",
    ]
    assert profile in condition["ArnLike"]["bedrock:InferenceProfileArn"]
    assert not [each for each in resources if "eu-central-1" in each]
    (usual,) = [each for each in _on_models(Called())["ModelsBedrock"][1] if "foundation-model" in each]
    assert usual == "arn:aws:bedrock:eu-central-1::foundation-model/*"


@pytest.mark.parametrize(
    "values",
    [{"GATEWAY_PROVIDERS": "openai"}, {"GATEWAY_PROVIDERS": "openai,azure", "BEDROCK_REGION": "us-east-1"}, {}],
)
def test_where_a_provider_is_none_there_is_no_right_on_its_models(values: dict[str, str]) -> None:
    assert _on_models(Called.of(values)) == {}


def test_where_a_secret_has_the_credentials_the_role_may_read_it_and_call_no_model() -> None:
    called = Called.of({"GATEWAY_PROVIDERS": "bedrock", "BEDROCK_SECRET_ID": "ai-gateway-dev/bedrock"})
    assert list(_on_models(called)) == ["SecretBedrock"]
