"""`python -m tests.rooms`: refuses a module at the root of systemlog that pyproject.toml does not list."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def loose_modules(app: Path) -> set[str]:
    """Return the names of the modules that are in no package of the app."""
    return {path.stem for path in app.glob("*.py")} - {"__init__"}


def main() -> None:
    """Exit with a message for each module that is not listed, and for each listed one that does not exist."""
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["rooms"]["modules"])
    found = loose_modules(ROOT / "systemlog")
    if loose := sorted(found - listed):
        sys.exit(
            f"systemlog/ has modules that are in no room: {', '.join(loose)}. Move each into the room that it is for."
        )
    if missing := sorted(listed - found):
        sys.exit(f"[tool.rooms] in pyproject.toml lists modules that systemlog/ does not have: {', '.join(missing)}.")


if __name__ == "__main__":
    main()
