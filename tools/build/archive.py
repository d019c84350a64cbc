"""Zips whose bytes depend only on the names and contents of their files."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold
_MODE, _SCRIPT = 0o100644 << 16, 0o100755 << 16


def files_below(folder: Path, prefix: str = "") -> dict[str, Path]:
    """The files below a folder, by their names in an archive."""
    return {
        f"{prefix}{path.relative_to(folder).as_posix()}": path for path in sorted(folder.rglob("*")) if path.is_file()
    }


def write_zip(file: Path, entries: Mapping[str, Path | bytes]) -> int:
    """Write an archive; the same entries give the same bytes. Returns the unzipped size. Only scripts are executable,
    whatever the modes of the source files."""
    size = 0
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(entries):
            entry = entries[name]
            data = entry if isinstance(entry, bytes) else entry.read_bytes()
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, on every machine
            info.external_attr = _SCRIPT if name.endswith(".sh") else _MODE
            archive.writestr(info, data)
            size += len(data)
    return size
