"""Run the suite on other versions than the pinned ones: `python -m tests.versions lowest|newest [pytest arguments]`.

`lowest` takes the lowest versions that pyproject.toml allows, `newest` the newest ones, on the newest Python that is
found. Each has a virtual environment of its own (`.venv-lowest`, `.venv-newest`), made again when what belongs in it
changes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
NEWEST_FIRST = ("3.14", "3.13", "3.12")
SECTIONS = ("-- to run", "-- to test")
"""The sections of requirements.txt that a run of the suite needs."""

NAME = re.compile(r"([A-Za-z0-9._-]+)(\[[^\]]*\])?")
FLOOR = re.compile(r">=\s*([0-9.]+)")
IN_STEP = dict.fromkeys(
    ("opentelemetry-api", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"), "opentelemetry-proto"
)
"""Packages of the tests that go with one version of a dependency alone."""

UNSUPPORTED = 77
"""The exit code where there is no such Python: what test harnesses take for "skipped"."""


def floors() -> dict[str, str]:
    """The lowest version that pyproject.toml allows of each package, by its name in lower case."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    return {_name(requirement): _floor(requirement) for requirement in wanted}


def requirements(which: str) -> str:
    """The lines of requirements.txt that the suite needs, with the package's own dependencies at other versions."""
    lowest = floors()
    lines = []
    section = ""
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line.startswith("# -- "):
            section = line.removeprefix("# ")
        requirement = line.partition("#")[0].strip()
        if not requirement or section not in SECTIONS:
            continue
        name = _name(requirement)
        floor = lowest.get(IN_STEP.get(name, name) if which == "lowest" else name)
        if floor is not None:
            head, semicolon, marker = requirement.partition(";")
            version = f"=={floor}" if which == "lowest" else f">={floor}"
            requirement = f"{head.partition('==')[0]}{version}{semicolon}{marker}"
        lines.append(requirement)
    return "\n".join(lines) + "\n"


def interpreter(which: str) -> str | None:
    """The Python to use: this one for the lowest versions, the newest one found for the newest."""
    if which == "lowest":
        return sys.executable
    return next((python for version in NEWEST_FIRST for python in _candidates(version) if _runs(python)), None)


def environment(which: str, python: str) -> Path:
    """The interpreter of the virtual environment, which is made or brought up to date first."""
    venv = ROOT / f".venv-{which}"
    installed = venv / "requirements.txt"
    wanted = requirements(which)
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout
    if not installed.exists() or installed.read_text() != version + wanted:
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([python, "-m", "venv", venv], check=True)
        listed = venv / "wanted.txt"
        listed.write_text(wanted)
        pip = [venv / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", listed], check=True)
        installed.write_text(version + wanted)
    return venv / "bin/python"


def main(which: str, *arguments: str) -> int:
    """Run pytest with these arguments; its exit code, or 77 where no such Python is found."""
    python = interpreter(which)
    if python is None:
        print(f"Skipped: none of {', '.join(NEWEST_FIRST)} is installed here as pythonX.Y.")
        return UNSUPPORTED
    command = [environment(which, python), "-m", "pytest", "-n", "auto", "--dist", "worksteal", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def _name(requirement: str) -> str:
    match = NAME.match(requirement)
    assert match is not None, requirement
    return match[1].lower()


def _floor(requirement: str) -> str:
    match = FLOOR.search(requirement)
    assert match is not None, f"{requirement} has no lowest version"
    return match[1]


def _candidates(version: str) -> list[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return [f"python{version}", *map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True))]


def _runs(python: str) -> bool:
    """Whether the command is a Python that runs: pyenv has a command for every version, and runs only a chosen one."""
    if shutil.which(python) is None:
        return False
    return subprocess.run([python, "-V"], capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
