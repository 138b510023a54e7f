"""A line on a terminal that says what a command is doing. Nothing is written where stderr is no terminal."""

from __future__ import annotations

from types import TracebackType

from django.core.management.base import OutputWrapper

from systemlog.management.terminal import printable

CLEAR = "\r\x1b[K"


class ProgressLine:
    """Shows the text it is called with; the line disappears at the end of the block."""

    def __init__(self, stream: OutputWrapper, *, quiet: bool) -> None:
        self.stream = stream
        self.shown = not quiet and stream.isatty()

    def __call__(self, doing: str) -> None:
        """Show the text."""
        if self.shown:
            self.stream.write(CLEAR + printable(doing), ending="")
            self.stream.flush()

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self("")
