"""The report of a part of the operations page, as data. One template shows all reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The state of something. The page shows it by a colour and by a word."""

    GOOD = "good"
    WARNING = "warning"
    ERROR = "error"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A value with its label."""

    label: str
    value: str
    state: State = State.NONE
    note: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table. A number is aligned to the right, in digits of equal width."""

    text: str
    link: str = ""
    state: State = State.NONE
    number: bool = False
    share: float = 0.0
    """The width of a bar behind the text, as a share of the cell's width from 0 to 1."""

    @property
    def share_width(self) -> str:
        """The width of the bar as a percentage, for an SVG attribute."""
        return f"{100 * min(1.0, max(0.0, self.share)):.1f}%"


@dataclass(frozen=True, slots=True)
class Table:
    """A table. Its first column has the names of the rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""

    @property
    def heads(self) -> list[tuple[str, bool]]:
        """The title of each column, and whether the column has numbers."""
        first = self.rows[0] if self.rows else ()
        return [(column, number < len(first) and first[number].number) for number, column in enumerate(self.columns)]


@dataclass(frozen=True, slots=True)
class Report:
    """The content of a part: a summary sentence, a state, and the facts and the table with the details."""

    summary: str
    state: State = State.NONE
    facts: Sequence[Fact] = ()
    table: Table | None = None
    note: str = ""
    """A remark about the figures, shown below them."""

    link: str = ""
    """The URL of a page with more details."""

    link_text: str = ""
