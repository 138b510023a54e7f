"""requirements.lock: what `make run` installs, and what a server should."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def pins(text: str) -> dict[str, str]:
    """The versions by name, as PyPI spells names."""
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def test_it_holds_what_requirements_txt_names_to_run_in_the_same_versions() -> None:
    wanted = pins((PROJECT / "requirements.txt").read_text().partition("# -- to test")[0])
    locked = pins((PROJECT / "requirements.lock").read_text())
    assert wanted.items() <= locked.items(), "run `make lock`"


def test_every_package_in_it_has_hashes() -> None:
    blocks = re.split(r"^(?=[A-Za-z0-9])", (PROJECT / "requirements.lock").read_text(), flags=re.MULTILINE)[1:]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)
