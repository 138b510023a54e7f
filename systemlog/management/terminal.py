"""Showing text from outside on a terminal: records, file names and database errors, without control characters."""

from __future__ import annotations

import unicodedata
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, SystemCheckError


class TerminalCommand(BaseCommand):
    """Base class of the commands: an error carries no control character to the terminal, whatever text it quotes."""

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Return the parser. Its messages about wrong arguments, which may be file names, are printable too."""
        parser = super().create_parser(prog_name, subcommand, **options)
        refuse = parser.error

        def error(message: str) -> None:
            refuse(printable(message))

        parser.error = error  # type: ignore[method-assign]  # Django names the parser's class itself
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command, and make the text of its `CommandError` printable."""
        try:
            return super().execute(*args, **options)
        except SystemCheckError:
            raise  # its lines come from checks, not from a record
        except CommandError as error:
            error.args = (printable(str(error)),)
            raise


def printable(text: str) -> str:
    r"""Return the text with an escape in place of each character that is not printed as itself: `\x1b`, `\n`, `\u202e`.

    These are control and format characters (direction overrides among them), separators of lines and paragraphs,
    halves of surrogate pairs, and code points that are unassigned or private.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or unicodedata.category(char) == "Zs" else _escape(char) for char in text)


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, printable and without its full stop, or the name of its class."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return printable(lines[0].strip().removesuffix("."))


def counted(number: int, noun: str) -> str:
    """Return `1 record`, `2 records`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def not_empty(text: str) -> str:
    """Return the text unless it is blank, as `type=` of an argument. Raises `ArgumentTypeError`."""
    if not text.strip():
        raise ArgumentTypeError("an empty text names nothing")
    return text


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
