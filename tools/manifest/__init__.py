"""Reads the descriptions of functions and tables. The local deployer, the build and the tests use it."""

from tools.manifest.model import Function, Manifest, Table
from tools.manifest.names import Names
from tools.manifest.reader import ManifestError, load

__all__ = ["Function", "Manifest", "ManifestError", "Names", "Table", "load"]
