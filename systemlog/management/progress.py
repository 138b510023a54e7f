"""One line on a terminal that says what a command is doing; nothing where no person looks."""

from __future__ import annotations

from types import TracebackType

from django.core.management.base import OutputWrapper

from systemlog.management.terminal import printable

CLEAR = "\r\x1b[K"


class ProgressLine:
    """Call it with what is being done; the line is gone at the end of the block."""

    def __init__(self, stream: OutputWrapper, *, quiet: bool) -> None:
        self.stream = stream
        self.shown = not quiet and stream.isatty()

    def __call__(self, doing: str) -> None:
        """Show it."""
        if self.shown:
            self.stream.write(CLEAR + printable(doing), ending="")
            self.stream.flush()

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self("")
