"""Tests of the states of a rule. They need no database: spans and the time go in, transitions come out."""

from __future__ import annotations

from systemlog.alerts.spans import Span
from systemlog.alerts.states import FIRING, INACTIVE, MAX_TOLD, PENDING, RESOLVED, State, Timing, Transition, advance

AT_ONCE = Timing(for_us=0, keep_firing_us=60)


def step(
    state: State, spans: list[Span], now: int, *, timing: Timing = AT_ONCE, silenced: bool = False
) -> tuple[State, list[Transition]]:
    """Advance the state of a rule with the threshold 20."""
    return advance(state, spans, 20, timing, now=now, silenced=silenced, oldest=0)


def statuses(transitions: list[Transition]) -> list[str]:
    return [transition.status for transition in transitions]


def test_a_condition_that_holds_fires_with_its_beginning_and_its_value() -> None:
    state, transitions = step(State(), [Span(100, 140, 21)], 110)
    assert statuses(transitions) == [FIRING]
    assert (state.name, state.starts_at, state.value, state.threshold) == (FIRING, 100, 21, 20)


def test_what_fires_is_told_once_and_resolves_when_it_has_been_over_for_long() -> None:
    state, _ = step(State(), [Span(100, 140, 21)], 110)
    fired = state.alert_id
    for now in (120, 150, 199):
        state, transitions = step(state, [Span(100, 140, 21)], now)
        assert not transitions
    state, transitions = step(state, [Span(100, 140, 21)], 200)
    assert statuses(transitions) == [RESOLVED]
    assert transitions[0].state.alert_id == fired
    assert transitions[0].state.ends_at == 140
    state, transitions = step(state, [Span(100, 140, 21)], 210)
    assert (state.name, transitions) == (INACTIVE, [])


def test_what_was_over_before_it_was_seen_fires_and_stays_for_a_while() -> None:
    state, transitions = step(State(), [Span(100, 140, 21)], 5000)
    assert statuses(transitions) == [FIRING]
    state, transitions = step(state, [Span(100, 140, 21)], 5059)
    assert not transitions
    state, transitions = step(state, [Span(100, 140, 21)], 5060)
    assert statuses(transitions) == [RESOLVED]


def test_a_span_that_lands_late_is_told_beside_a_younger_one_that_was_told() -> None:
    young, late = Span(1000, 1040, 21), Span(100, 140, 30)
    state, _ = step(State(), [young], 1010)
    state, _ = step(state, [young], 1200)
    assert state.name == INACTIVE
    state, transitions = step(state, [late, young], 1300)
    assert statuses(transitions) == [FIRING]
    assert (state.starts_at, state.value) == (100, 30)
    state, transitions = step(state, [late, young], 1400)
    assert statuses(transitions) == [RESOLVED]
    assert transitions[0].state.ends_at == 140


def test_records_that_land_late_and_widen_a_told_span_are_no_news() -> None:
    state, _ = step(State(), [Span(100, 140, 21)], 110)
    state, _ = step(state, [Span(100, 140, 21)], 300)
    state, transitions = step(state, [Span(90, 150, 25)], 310)
    assert not transitions


def test_several_spans_that_are_seen_at_once_are_one_alert() -> None:
    state, transitions = step(State(), [Span(100, 140, 21), Span(300, 340, 50)], 5000)
    assert statuses(transitions) == [FIRING]
    assert (state.starts_at, state.ends_at, state.value) == (100, 340, 50)


def test_a_condition_that_holds_again_before_it_resolves_goes_on() -> None:
    state, _ = step(State(), [Span(100, 140, 21)], 110)
    state, transitions = step(state, [Span(100, 140, 21), Span(190, 230, 22)], 195)
    assert not transitions
    state, transitions = step(state, [Span(190, 230, 22)], 289)
    assert not transitions
    state, transitions = step(state, [Span(190, 230, 22)], 290)
    assert statuses(transitions) == [RESOLVED]


def test_a_condition_must_hold_for_its_time_and_is_pending_until_then() -> None:
    timing = Timing(for_us=30, keep_firing_us=60)
    state, transitions = step(State(), [Span(100, 120, 21)], 110, timing=timing)
    assert (state.name, state.starts_at, transitions) == (PENDING, 100, [])
    state, transitions = step(state, [Span(100, 145, 21)], 130, timing=timing)
    assert statuses(transitions) == [FIRING]


def test_a_condition_that_held_for_less_than_its_time_never_fires() -> None:
    timing = Timing(for_us=30, keep_firing_us=60)
    state, _ = step(State(), [Span(100, 120, 21)], 110, timing=timing)
    for now in (125, 135, 5000):
        state, transitions = step(state, [Span(100, 120, 21)], now, timing=timing)
        assert (state.name, transitions) == (INACTIVE, [])


def test_a_pending_condition_keeps_its_beginning_when_the_look_back_has_passed_it() -> None:
    timing = Timing(for_us=1000, keep_firing_us=60)
    state, _ = step(State(), [Span(100, 500, 21)], 490, timing=timing)
    state, _ = step(state, [Span(400, 900, 21)], 890, timing=timing)
    assert state.starts_at == 100
    state, transitions = step(state, [Span(800, 1200, 21)], 1150, timing=timing)
    assert statuses(transitions) == [FIRING]


def test_a_silenced_rule_changes_its_state_and_is_not_told() -> None:
    state, transitions = step(State(), [Span(100, 140, 21)], 110, silenced=True)
    assert state.name == FIRING
    assert [transition.is_told for transition in transitions] == [False]
    state, transitions = step(state, [Span(100, 140, 21)], 200, silenced=True)
    assert (statuses(transitions), transitions[0].is_told) == ([RESOLVED], False)


def test_what_still_fires_when_its_silence_ends_is_told_then_and_recorded_once() -> None:
    state, _ = step(State(), [Span(100, 400, 21)], 110, silenced=True)
    state, transitions = step(state, [Span(100, 400, 21)], 120, silenced=False)
    assert [(each.status, each.is_told, each.is_new) for each in transitions] == [(FIRING, True, False)]
    state, transitions = step(state, [Span(100, 400, 21)], 130, silenced=False)
    assert not transitions


def test_the_told_spans_stay_few_however_often_a_condition_holds() -> None:
    state = State()
    timing = Timing(for_us=0, keep_firing_us=0)
    spans = [Span(10 * place, 10 * place + 2, 1) for place in range(3 * MAX_TOLD)]
    for span in spans:
        state, _ = step(state, [span], span.start, timing=timing)
        state, _ = step(state, [span], span.start + 5, timing=timing)
    assert len(state.told) == MAX_TOLD
    assert step(state, spans, 10_000)[1] == []
