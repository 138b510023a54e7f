"""What a part of the operations page says, as data: one template shows all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How something is: the page says it by a colour and by a word."""

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
    """A cell of a table. A number stands at the right, in digits of equal width."""

    text: str
    link: str = ""
    state: State = State.NONE
    number: bool = False
    share: float = 0.0
    """A bar behind the text, from 0 to 1 of the cell's width."""

    @property
    def share_width(self) -> str:
        """The width of the bar, as an attribute of SVG."""
        return f"{100 * min(1.0, max(0.0, self.share)):.1f}%"


@dataclass(frozen=True, slots=True)
class Table:
    """A table, whose first column names the rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""

    @property
    def heads(self) -> list[tuple[str, bool]]:
        """Each column's head, and whether numbers stand below it."""
        first = self.rows[0] if self.rows else ()
        return [(column, number < len(first) and first[number].number) for number, column in enumerate(self.columns)]


@dataclass(frozen=True, slots=True)
class Report:
    """What a part says: how it is in a word and a sentence, and the facts and the table behind that."""

    summary: str
    state: State = State.NONE
    facts: Sequence[Fact] = ()
    table: Table | None = None
    note: str = ""
    """What to know about the figures, below them."""

    link: str = ""
    """The page that has more."""

    link_text: str = ""
