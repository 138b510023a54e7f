"""The README and the reference pages, as far as code can hold them: tables of settings, commands, endpoints, snippets.

`make docs` runs this module, which writes the tables of settings.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

FILE = Path(__file__).parents[2] / "README.md"
SETTINGS = FILE.parent / "docs" / "settings.md"
COMMANDS = FILE.parent / "docs" / "commands.md"

TABLE = re.compile(r"(<!-- table: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
SNIPPET = re.compile(r"<!-- snippet: ([\w.]+) -->\n```python\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)
ENDPOINT = re.compile(r"^\| `(/[^`]*)` \|", re.MULTILINE)


def tables() -> dict[str, str]:
    """The tables of settings, as the code says them."""
    from health.conf import Settings as HealthSettings
    from ops_platform.environment import Environment
    from systemlog.conf import Settings as SystemLogSettings

    return {
        "environment": _table(
            "variable", [(f.name, f.metadata["default"], f.metadata["doc"]) for f in _fields(Environment)]
        ),
        "systemlog": _table("key", [(f.name, _default(f), f.metadata["doc"]) for f in _fields(SystemLogSettings)]),
        "health": _table("key", [(f.name, _default(f), f.metadata["doc"]) for f in _fields(HealthSettings)]),
    }


def tables_of_the_page() -> dict[str, str]:
    """The tables of settings, as docs/settings.md has them."""
    return {name: table for _, name, table, _ in TABLE.findall(SETTINGS.read_text())}


def snippets() -> dict[str, str]:
    """The README's code for one's own project, by file."""
    return dict(SNIPPET.findall(FILE.read_text()))


def commands() -> set[str]:
    """The commands that docs/commands.md names."""
    return set(COMMAND.findall(_table_after("| command | does |")))


def endpoints() -> list[str]:
    """The paths that docs/commands.md names."""
    return ENDPOINT.findall(_table_after("| endpoint | what it is |"))


def _table_after(heading: str) -> str:
    return COMMANDS.read_text().partition(heading)[2].partition("\n\n")[0]


def _table(first: str, rows: list[tuple[str, str, str]]) -> str:
    lines = [f"| {first} | default | meaning |", "| --- | --- | --- |"]
    lines += [f"| `{name}` | {f'`{default}`' if default else ''} | {doc} |" for name, default, doc in rows]
    return "\n".join(lines) + "\n"


def _default(field: dataclasses.Field[object]) -> str:
    return "" if field.default is dataclasses.MISSING else repr(field.default)


def _fields(settings: type) -> tuple[dataclasses.Field[object], ...]:
    return dataclasses.fields(settings)


if __name__ == "__main__":
    import django

    django.setup()
    written = tables()
    SETTINGS.write_text(TABLE.sub(lambda match: match[1] + written[match[2]] + match[4], SETTINGS.read_text()))
