"""The gateway's layer: what its functions share."""

import sys

# msgspec takes three names from typing_extensions if it can, and from typing otherwise. Importing the former is a tenth
# of a start without pydantic, so its first import is made to fail (docs/decisions/0119-values-are-structs.md).
if "typing_extensions" not in sys.modules:
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # an import of what is None here fails
    import msgspec  # noqa: F401  which looks for the names at its own import

    del sys.modules["typing_extensions"]
