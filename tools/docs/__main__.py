"""`python -m tools.docs site|guides|pictures`."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from tools.docs import source
from tools.local.emulator import ROOT

_MKDOCS = ROOT / ".local" / "docs" / "bin" / "mkdocs"


def site(mkdocs: Path) -> int:
    """Build the site; whatever is doubtful is an error. Prints its weight."""
    pages = source.gather()
    # Not `--quiet`: it silences warnings before they are counted.
    built = subprocess.run(
        [mkdocs, "build", "--strict"],
        cwd=ROOT,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    print("\n".join(line for line in built.stdout.splitlines() if line.startswith(("WARNING", "ERROR", "Aborted"))))
    if built.returncode == 0:
        out = ROOT / ".local" / "docs-site" / "site"
        _lighten(out)
        files = [path for path in out.rglob("*") if path.is_file()]
        weight = sum(path.stat().st_size for path in files)
        print(f"{pages} pages, {len(files)} files, {weight / 1e6:.1f} MB: {out.relative_to(ROOT)}/index.html")
    return built.returncode


def _lighten(out: Path) -> None:
    """Without what a reader's browser never asks for: maps of scripts, and the search's words of other languages."""
    for path in out.rglob("*.map"):
        path.unlink()
    shutil.rmtree(out / "assets" / "javascripts" / "lunr", ignore_errors=True)


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
