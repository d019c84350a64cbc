"""`python -m tools.docs site|guides|pictures`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tools.docs import source
from tools.local.emulator import ROOT

_MKDOCS = ROOT / ".local" / "docs" / "bin" / "mkdocs"


def site(mkdocs: Path) -> int:
    """Build the site; whatever is doubtful is an error. Prints its weight."""
    pages = source.gather()
    built = subprocess.run([mkdocs, "build", "--strict", "--quiet"], cwd=ROOT, env=_environment(), check=False)
    if built.returncode == 0:
        out = ROOT / ".local" / "docs-site" / "site"
        files = [path for path in out.rglob("*") if path.is_file()]
        weight = sum(path.stat().st_size for path in files)
        print(f"{pages} pages, {len(files)} files, {weight / 1e6:.1f} MB: {out.relative_to(ROOT)}/index.html")
    return built.returncode


def _environment() -> dict[str, str]:
    """Without the notices of packages about other packages, which are no fault of the pages."""
    return os.environ | {"DISABLE_MKDOCS_2_WARNING": "true", "NO_MKDOCS_2_WARNING": "1"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools.docs", description=__doc__)
    parser.add_argument("command", choices=["site", "guides", "pictures"])
    parser.add_argument("--mkdocs", type=Path, default=_MKDOCS)
    arguments = parser.parse_args()
    if arguments.command == "site":
        return site(arguments.mkdocs)
    if arguments.command == "guides":
        from tools.docs import guides

        return guides.main()
    from tools.docs import pictures

    return pictures.main()


if __name__ == "__main__":
    sys.exit(main())
