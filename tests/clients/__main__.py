"""Generate clients from the OpenAPI document and call a running server with each: `python -m tests.clients [NAME …]`.

It installs the generators where it works, in a temporary folder: from PyPI, and from npm where `npm` is there. What
this machine has no tool for is named and left out; 1 is the exit code if a client cannot be made, compiled or used.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.support.databases import ENVIRONMENT
from tests.support.servers import Platform, fresh_platform

CALLS = Path(__file__).parent
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
OPENAPI_PYTHON_CLIENT = "openapi-python-client==0.29.1"
OPENAPI_GENERATOR = "openapi-generator-cli==7.26.0"
OPENAPI_TS = "@hey-api/openapi-ts@0.99.0"
TYPESCRIPT = ("typescript@5.9.3", "@types/node@20")

Caller = Callable[[Path, Path], list[str]]
"""Takes an empty folder and the document; makes a client in the folder, and gives the command that calls a server by
it, to which URL and token are added."""


def openapi_python_client(folder: Path, document: Path) -> list[str]:
    """A Python client on httpx and attrs."""
    python = _environment(folder, OPENAPI_PYTHON_CLIENT)
    generate = [python.with_name("openapi-python-client"), "generate", "--path", document, "--meta=none"]
    _run(folder, *generate, "--output-path", folder / "generated")
    return [str(python), _copied("openapi_python_client.py.txt", folder / "call.py")]


def openapi_generator_python(folder: Path, document: Path) -> list[str]:
    """A Python client on urllib3 and pydantic."""
    python = _environment(folder, OPENAPI_GENERATOR)
    _openapi_generator(python, "python", folder, document)
    _run(folder, python, *PIP, folder / "python")
    return [str(python), _copied("openapi_generator_python.py.txt", folder / "call.py")]


def openapi_generator_typescript(folder: Path, document: Path) -> list[str]:
    """A TypeScript client on fetch, which is compiled and run."""
    _openapi_generator(_environment(folder, OPENAPI_GENERATOR), "typescript-fetch", folder, document)
    _install(folder, *TYPESCRIPT)
    _compile(folder, Path(_copied("openapi_generator_fetch.ts", folder / "call.ts")), to=folder / "compiled")
    return ["node", str(folder / "compiled/call.js")]


def openapi_generator_go(folder: Path, document: Path) -> None:
    """A Go client, which is compiled."""
    _openapi_generator(_environment(folder, OPENAPI_GENERATOR), "go", folder, document)
    _run(folder / "go", "go", "build", "./...")


def openapi_ts(folder: Path, document: Path) -> list[str]:
    """A TypeScript client on fetch, which is compiled and run."""
    _install(folder, OPENAPI_TS, *TYPESCRIPT)
    _run(folder, "npx", "openapi-ts", "-i", document, "-o", "generated", "-c", "@hey-api/client-fetch")
    _compile(folder, Path(_copied("openapi_ts.ts", folder / "call.ts")), to=folder / "compiled")
    return ["node", str(folder / "compiled/call.js")]


CLIENTS: dict[str, tuple[Callable[[Path, Path], list[str] | None], tuple[str, ...]]] = {
    "openapi-python-client": (openapi_python_client, ()),
    "openapi-generator-python": (openapi_generator_python, ("java",)),
    "openapi-generator-typescript": (openapi_generator_typescript, ("java", "npm")),
    "openapi-generator-go": (openapi_generator_go, ("java", "go")),
    "openapi-ts": (openapi_ts, ("npm",)),
}
"""By name: what makes the client, and the programs that this takes."""


def call_with(name: str, folder: Path, platform: Platform) -> None:
    """Generate the client in the folder, and call a server of the platform with it. Raises CalledProcessError."""
    document = folder / "schema.json"
    platform.manage("spectacular", "--format=openapi-json", f"--file={document}")
    command = CLIENTS[name][0](folder, document)
    if command is None:
        print(f"{name}: compiled")
        return
    with platform.serve() as server:
        _run(folder, *command, server.url, platform.token("read", "write"))


def main() -> int:
    """Try the clients that are named, by default all; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CLIENTS))
    failed = 0
    for name in parser.parse_args().names or CLIENTS:
        if missing := [program for program in CLIENTS[name][1] if shutil.which(program) is None]:
            print(f"{name}: left out, for there is no {' and no '.join(missing)} here")
            continue
        with tempfile.TemporaryDirectory() as folder:
            work, state = Path(folder, "client"), Path(folder, "platform")
            work.mkdir()
            state.mkdir()
            with fresh_platform(state, None) as platform:
                platform.environment.update(ENVIRONMENT)
                platform.environment.pop("SYSTEMLOG_JOURNAL")
                platform.tokens.update(platform.migrate())
                try:
                    call_with(name, work, platform)
                except subprocess.CalledProcessError as error:
                    failed += 1
                    print(f"{name}: FAILED\n{error.stdout}{error.stderr}")
    return 1 if failed else 0


def _environment(folder: Path, package: str) -> Path:
    """The interpreter of a virtual environment with the package; the suite's own, if that has it."""
    name = package.partition("==")[0]
    if Path(sys.executable).with_name(name).exists():
        return Path(sys.executable)
    _run(folder, sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv/bin/python"
    _run(folder, python, *PIP, package)
    return python


def _openapi_generator(python: Path, language: str, folder: Path, document: Path) -> None:
    generate = python.with_name("openapi-generator-cli")
    _run(folder, generate, "generate", "-i", document, "-g", language, "-o", folder / language)


def _install(folder: Path, *packages: str) -> None:
    (folder / "package.json").write_text('{"private": true}')
    _run(folder, "npm", "install", "--silent", *packages)


def _compile(folder: Path, file: Path, to: Path) -> None:
    options = ["--strict", "--skipLibCheck", "--target", "es2022", "--module", "commonjs", "--lib", "es2022,dom"]
    _run(folder, "npx", "tsc", *options, "--outDir", to, file)


def _copied(name: str, to: Path) -> str:
    shutil.copy(CALLS / name, to)
    return str(to)


def _run(folder: Path, *command: object) -> None:
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, check=True)
    if "all calls answered" in done.stdout:
        print(done.stdout.strip())


if __name__ == "__main__":
    sys.exit(main())
