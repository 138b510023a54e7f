"""The states of a rule: inactive, pending, firing, and inactive again.

Pure functions: spans and the time go in, transitions come out. A span is reported once. The reported ("told") spans are
kept, so that nothing is reported again after a restart or when a record lands late. A span that touches none of them is
new, however old it is. While a rule fires, further spans belong to the same alert.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from systemlog.alerts.spans import Span, merge

INACTIVE, PENDING, FIRING = "inactive", "pending", "firing"
RESOLVED = "resolved"
ERROR = "error"
"""The state that is shown for a rule that could not be evaluated. It is never stored."""

MAX_TOLD = 100
"""How many reported spans are kept. Beyond this number the oldest are merged into one, with the gaps between them."""


@dataclass(frozen=True, slots=True)
class State:
    """The state of a rule. Times are microseconds since 1970.

    `starts_at` is when the condition began to hold, by the timestamps of the records. `ends_at` is until when the
    condition is known to hold. `told` has the spans that were already reported.
    """

    name: str = INACTIVE
    alert_id: uuid.UUID | None = None
    starts_at: int | None = None
    ends_at: int | None = None
    fired_at: int | None = None
    value: int | None = None
    threshold: int | None = None
    is_told: bool = False
    """Whether the receivers were sent that the alert fires. While the rule is silenced, nothing is sent."""
    told: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state. It is recorded in the log, and sent to the receivers if `is_told` is true.

    `state` has the values of the alert.
    """

    status: str
    state: State
    is_told: bool
    is_new: bool = True
    """False if an alert that began during a silence is sent only now: the log has its record already."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a condition must hold before its rule fires, and how long the rule keeps firing after the condition."""

    for_us: int
    keep_firing_us: int


def advance(
    state: State, spans: Sequence[Span], threshold: int, timing: Timing, *, now: int, silenced: bool, oldest: int
) -> tuple[State, list[Transition]]:
    """Return the next state of a rule, and its transitions.

    `spans` are the spans of the last reading, in rising order. Reported spans that end before `oldest` are forgotten.
    """
    state = replace(state, told=tuple(span for span in state.told if span[1] >= oldest))
    if state.name == FIRING:
        return _while_firing(state, spans, timing, now=now, silenced=silenced)
    news = _news(state, spans)
    if state.name == PENDING and state.starts_at is not None:
        # The look-back may begin after the span did.
        began, until = state.starts_at, state.ends_at or now
        news = [span._replace(start=min(span.start, began)) if span.overlaps(began, until) else span for span in news]
    ripe = [span for span in news if min(span.end, max(now, span.start)) - span.start >= timing.for_us]
    if ripe:
        fired = replace(
            state,
            name=FIRING,
            alert_id=uuid.uuid4(),
            starts_at=ripe[0].start,
            ends_at=max(span.end for span in ripe),
            fired_at=now,
            value=max(span.peak for span in ripe),
            threshold=threshold,
            is_told=not silenced,
            told=_with(state.told, ripe),
        )
        return fired, [Transition(FIRING, fired, is_told=not silenced)]
    pending = [span for span in news if span.end > now]
    if pending:
        last = pending[-1]
        return replace(
            state,
            name=PENDING,
            starts_at=last.start,
            ends_at=last.end,
            value=last.peak,
            threshold=threshold,
        ), []
    return ended(state), []


def ended(state: State) -> State:
    """Return the state of a rule that is neither firing nor pending."""
    return State(told=state.told)


def _while_firing(
    state: State, spans: Sequence[Span], timing: Timing, *, now: int, silenced: bool
) -> tuple[State, list[Transition]]:
    starts_at, ends_at, fired_at = state.starts_at or now, state.ends_at or now, state.fired_at or now
    if spans:
        same = [span.end for span in spans if span.overlaps(starts_at, max(ends_at, starts_at + 1))]
        ends_at = max([*(same or [ends_at]), *(span.end for span in _news(state, spans))])
        value = max([state.value or 0, *(span.peak for span in spans if span.end > now)])
        state = replace(state, ends_at=ends_at, value=value, told=_with(state.told, spans))
    if now >= max(ends_at, fired_at) + timing.keep_firing_us:
        return ended(state), [Transition(RESOLVED, state, is_told=state.is_told)]
    if not state.is_told and not silenced:
        state = replace(state, is_told=True)
        return state, [Transition(FIRING, state, is_told=True, is_new=False)]
    return state, []


def _news(state: State, spans: Sequence[Span]) -> list[Span]:
    """Return the spans that overlap no reported span."""
    return [span for span in spans if not any(span.overlaps(*told) for told in state.told)]


def _with(told: Sequence[tuple[int, int]], spans: Sequence[Span]) -> tuple[tuple[int, int], ...]:
    """Return the reported spans together with further ones, at most `MAX_TOLD` of them."""
    merged = merge([*(Span(start, end, 0) for start, end in told), *spans])
    if len(merged) > MAX_TOLD:
        oldest = merged[: len(merged) - MAX_TOLD + 1]
        merged = [Span(oldest[0].start, oldest[-1].end, 0), *merged[len(oldest) :]]
    return tuple((span.start, span.end) for span in merged)
