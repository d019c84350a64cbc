"""Builds: the same bytes twice, dependencies in their places, nothing that is not locked, no .pth."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools.build import BuildError, BuildResult, build, local_target
from tools.build.dependencies import needed
from tools.local.emulator import ROOT
from tools.manifest import load

TARGET = local_target(Path(sys.executable))


def wheel(folder: Path, name: str, files: dict[str, str]) -> str:
    """A wheel that is made here, and its locked requirement."""
    file = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    contents = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    contents[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*contents, f"{info}/RECORD"))
    with zipfile.ZipFile(file, "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
    return f"{name}==1.0 \\\n    --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one function with its own dependency, and another dependency that the layer has too."""
    root, wheels = tmp_path / "project", tmp_path / "wheels"
    wheels.mkdir()
    common = wheel(wheels, "common", {"common.py": "VALUE = 1\n"})
    own = wheel(wheels, "own", {"own/__init__.py": "VALUE = 2\n"})
    wheel(wheels, "evil", {"evil.pth": "import os\n", "evil.py": ""})
    for path, text in {
        "requirements/layer.txt": common,
        "shared/gateway/__init__.py": "NAME = 'gateway'\n",
        "shared/gateway/data/facts.json": "{}",
        "shared/cors.json": "{}",
        "functions/hello/function.json": "{}",
        "functions/hello/handler.py": "import own\n\n\ndef handler(event, context):\n    return own.VALUE\n",
        "functions/hello/__init__.py": "",
        "functions/hello/requirements.txt": common + own,
        "functions/bare/function.json": "{}",
        "functions/bare/handler.py": "X = 1\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def made(project: Path, out: Path) -> BuildResult:
    wheels = project.parent / "wheels" if (project.parent / "wheels").exists() else project.parent.parent / "wheels"
    extra = ("--no-index", "--find-links", str(wheels), "--offline")
    return build(TARGET, out, root=project, cache=out / "cache", extra=extra)


def names(result: BuildResult, artifact: str) -> set[str]:
    with zipfile.ZipFile(result.path(artifact)) as archive:
        return set(archive.namelist())


def test_the_same_bytes_from_another_folder_umask_and_time(project: Path, tmp_path: Path) -> None:
    first = made(project, tmp_path / "one")
    other = tmp_path / "elsewhere" / "deeper"
    shutil.copytree(project, other)
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700 if path.is_dir() else 0o600)
    before = os.umask(0o077)
    try:
        second = made(other, tmp_path / "two")
    finally:
        os.umask(before)
    assert first.artifacts == second.artifacts
    for name, artifact in first.artifacts.items():
        data = first.path(name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == artifact.sha256
        assert base64.b64decode(artifact.sha256_base64).hex() == artifact.sha256
        assert data == second.path(name).read_bytes()


def test_changed_code_changes_its_own_artifact_alone(project: Path, tmp_path: Path) -> None:
    first = made(project, tmp_path / "one")
    (project / "functions/bare/handler.py").write_text("X = 2\n")
    second = made(project, tmp_path / "one")
    changed = {name for name in first.artifacts if first.artifacts[name].sha256 != second.artifacts[name].sha256}
    assert changed == {"bare"}


def test_a_dependency_lies_where_it_is_needed(project: Path, tmp_path: Path) -> None:
    result = made(project, tmp_path / "out")
    assert "own/__init__.py" in names(result, "hello")
    assert "common.py" not in names(result, "hello")
    assert "python/common.py" in names(result, "layer-dependencies")
    assert {"python/gateway/__init__.py", "python/gateway/data/facts.json"} <= names(result, "layer-gateway")
    assert not any("own" in name or "common" in name for name in names(result, "bare"))
    assert "common-1.0.dist-info/METADATA" in {
        name.removeprefix("python/") for name in names(result, "layer-dependencies")
    }
    assert not any(name.endswith(("RECORD", "function.json", "requirements.txt")) for name in names(result, "hello"))


def test_only_a_function_leaves_behind_what_its_document_says_of_its_answers(project: Path, tmp_path: Path) -> None:
    for folder in ("functions/hello", "shared/gateway/room"):
        (project / folder).mkdir(exist_ok=True)
        (project / folder / "answers.py").write_text("X = 1\n")
    result = made(project, tmp_path / "out")
    assert "functions/hello/answers.py" not in names(result, "hello")
    assert "python/gateway/room/answers.py" in names(result, "layer-gateway")


def test_code_runs_from_the_unpacked_zips_by_its_pyc(project: Path, tmp_path: Path) -> None:
    result = made(project, tmp_path / "out")
    place = tmp_path / "unpacked"
    with zipfile.ZipFile(result.path("hello")) as archive:
        archive.extractall(place)
    assert any(name.startswith("functions/hello/__pycache__/handler.") for name in names(result, "hello"))
    code = (
        "import functions.hello.handler as h; print(h.handler({}, None), h.__cached__, h.handler.__code__.co_filename)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True)
    value, cached, filename = run.stdout.split()
    assert value == "2"
    assert Path(cached).exists()
    assert filename in ("/var/task/functions/hello/handler.py", str(place / "functions/hello/handler.py"))


def test_a_script_can_be_run_whatever_its_mode_was(project: Path, tmp_path: Path) -> None:
    (project / "functions/bare/run.sh").write_text("#!/bin/sh\n")
    (project / "functions/bare/run.sh").chmod(0o600)
    with zipfile.ZipFile(made(project, tmp_path / "out").path("bare")) as archive:
        modes = {each.filename: each.external_attr >> 16 & 0o777 for each in archive.infolist()}
    assert modes.pop("functions/bare/run.sh") == 0o755
    assert set(modes.values()) == {0o644}


def test_a_server_is_started_with_the_layers_on_its_path(tmp_path: Path) -> None:
    """As the adapter's wrapper does it: by the handler's path below the task's root, with Lambda's own environment."""
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\necho "$PYTHONPATH $*"\n')
    python.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LAMBDA_TASK_ROOT": "/var/task"}
    manifest = load(ROOT)
    assert manifest.streaming
    script = ROOT / manifest.functions[manifest.streaming].handler
    run = subprocess.run([script], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == f"/var/task:/opt/python -m functions.{manifest.streaming}.server\n"


def test_a_pth_file_is_refused(project: Path, tmp_path: Path) -> None:
    evil = wheel(project.parent / "wheels", "evil", {"evil.pth": "import os\n", "evil.py": ""})
    with (project / "requirements/layer.txt").open("a") as lock:
        lock.write(evil)
    with pytest.raises(BuildError, match=r"evil\.pth"):
        made(project, tmp_path / "out")


def test_a_dependency_that_is_not_the_locked_one_is_refused(project: Path, tmp_path: Path) -> None:
    lock = project / "requirements/layer.txt"
    lock.write_text(lock.read_text()[:-5] + "0000\n")
    with pytest.raises(BuildError, match="uv could not install"):
        made(project, tmp_path / "out")


def test_a_function_can_not_have_another_version_than_the_layer(project: Path, tmp_path: Path) -> None:
    lock = project / "functions/hello/requirements.txt"
    lock.write_text(lock.read_text().replace("common==1.0", "common==2.0"))
    with pytest.raises(BuildError, match="common differs"):
        made(project, tmp_path / "out")


def test_neither_boto3_nor_a_vendor_s_sdk_is_packaged() -> None:
    layer = ROOT / "requirements/layer.txt"
    packaged = needed(layer) + "".join(needed(own, layer) for own in ROOT.glob("functions/*/requirements.txt"))
    assert "pydantic==" in packaged
    assert not [name for name in ("boto", "openai", "httpx", "anthropic") if name in packaged]


def test_an_interpreter_that_does_not_run() -> None:
    with pytest.raises(BuildError, match="does not run"):
        local_target(Path("/nowhere/python"))
