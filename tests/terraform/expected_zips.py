"""The contents of the zips that are deployed, for Lambda's python3.13 on arm64: see expected.py."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.terraform.expected import FUNCTIONS, same

FOLDER = "build/aws-arm64-py313"
AARCH64, X86_64 = 0xB7, 0x3E  # e_machine of an ELF file
SUFFIX = ".cpython-313-aarch64-linux-gnu.so"
# The files that must be there, in addition to each function's own handler.
HELD = {
    "stream.zip": {"functions/stream/server.py", "functions/stream/run.sh", "waitress/server.py"},
    "layer-dependencies.zip": {
        "python/pydantic/__init__.py",
        f"python/pydantic_core/_pydantic_core{SUFFIX}",
        f"python/orjson/orjson{SUFFIX}",
        f"python/msgspec/_core{SUFFIX}",
    },
    "layer-gateway.zip": {"python/gateway/wiring/__init__.py", "python/gateway/data/config.json"},
}


def zips(terraform: Path) -> Iterator[str]:
    folder = terraform.parent / FOLDER
    held = {f"{name}.zip": {f"functions/{name}/__init__.py", f"functions/{name}/handler.py"} for name in FUNCTIONS}
    held = {name: held.get(name, set()) | HELD.get(name, set()) for name in {*held, *HELD}}
    yield from same("zips", {path.name for path in folder.glob("*.zip")}, set(held))
    for name, files in held.items():
        if (folder / name).is_file():
            with zipfile.ZipFile(folder / name) as archive:
                names = archive.namelist()
                yield from (f"{name}: without {each}" for each in sorted(files - set(names)))
                runs = {each for each in names if archive.getinfo(each).external_attr >> 16 & 0o111}
                yield from same(f"{name}: can be run", runs, {each for each in names if each.endswith("/run.sh")})
                for each in (each for each in names if ".so" in Path(each).suffixes):
                    machine = int.from_bytes(archive.open(each).read(20)[18:20], "little")
                    if machine != AARCH64 or not each.endswith((SUFFIX, ".abi3.so")):
                        yield f"{name}: {each} is for {'x86_64' if machine == X86_64 else hex(machine)}"
                compiled = {each.split(".")[-2] for each in names if each.endswith(".pyc")}
                yield from same(f"{name}: compiled for", compiled - {"cpython-313"}, set())
