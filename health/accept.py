"""Content negotiation: which media type an `Accept` header asks for. Malformed parts of a header are ignored."""

from __future__ import annotations

from collections.abc import Sequence


def choose(header: str, offered: Sequence[str]) -> str:
    """Return the media type of `offered` with the highest quality in `header`. If several have it, return the first."""
    if not header:
        return offered[0]
    ranges = [_parse(part) for part in header.split(",")]
    best, best_quality = offered[0], 0.0
    for media_type in offered:
        quality = _quality(media_type, ranges)
        if quality > best_quality:
            best, best_quality = media_type, quality
    return best


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    for wanted in (media_type, media_type.partition("/")[0] + "/*", "*/*"):  # the most specific range decides
        qualities = [quality for name, quality in ranges if name == wanted]
        if qualities:
            return max(qualities)
    return 0.0


def _parse(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip() for piece in part.lower().split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, min(max(float(parameter[2:]), 0.0), 1.0)
            except ValueError:
                return name, 0.0
    return name, 1.0
