"""Under 80 % of the limit in any minute, by a clock of our own."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargeplan.propexo.pacing import EndedError, Pacer


class Clock:
    def __init__(self):
        self.now = 1000.0
        self.slept = []

    def sleep(self, seconds):
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds

    def __call__(self):
        return self.now


def _pacer(limit=150):
    clock = Clock()
    return Pacer(limit, sleep=clock.sleep, monotonic=clock), clock


def test_the_last_request_below_eighty_percent():
    assert [_pacer(limit)[0].allowed for limit in (150, 100, 10, 5, 2, 1, 0)] == [119, 79, 7, 3, 1, 1, 1]


@given(st.integers(2, 40), st.lists(st.floats(0, 30), max_size=60))
def test_in_no_minute_do_too_many_pass(limit, gaps):
    pacer, clock = _pacer(limit)
    passed = []
    for gap in gaps:
        clock.now += gap
        pacer.wait()
        passed.append(clock.now)
    for first, at in enumerate(passed):
        assert sum(at <= other < at + 60 for other in passed[first:]) <= pacer.allowed


def test_the_headers_limit_counts_instead_of_the_configured_one():
    pacer, clock = _pacer(150)
    pacer.wait()
    pacer.learn({"x-ratelimit-limit": "10", "x-ratelimit-remaining": "9"})
    for _ in range(6):
        pacer.wait()
    assert not clock.slept
    pacer.wait()
    assert clock.slept == [60.0]


def test_what_others_use_is_left_to_them():
    pacer, clock = _pacer(100)
    pacer.wait()
    pacer.learn({"x-ratelimit-limit": "100", "x-ratelimit-remaining": "15"})
    pacer.wait()
    assert clock.now == 1060.0


def test_nonsense_in_headers_is_ignored():
    pacer, clock = _pacer(100)
    for text in ("", "-1", "many", "1e3", "9" * 30, "0"):
        pacer.learn({"x-ratelimit-limit": text})
    assert pacer.limit == 100
    pacer.learn({"x-ratelimit-remaining": "x"})
    pacer.wait()
    assert not clock.slept


def test_after_a_429_nothing_passes_as_long_as_told():
    pacer, clock = _pacer()
    assert pacer.throttled({"retry-after": "7"}) == 7
    pacer.wait()
    assert clock.now == 1007.0
    assert pacer.throttled({}) == 60
    assert pacer.throttled({"retry-after": "0"}) == 1
    assert pacer.throttled({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}) == 60
    pacer.wait()
    assert clock.now == 1067.0


def test_threads_share_one_count():
    clock = Clock()
    pacer = Pacer(100, sleep=clock.sleep, monotonic=lambda: 1000.0)
    threads = [threading.Thread(target=lambda: [pacer.wait() for _ in range(19)]) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not clock.slept
    assert len(pacer._passed) == 76


# --- places that are kept ------------------------------------------------------------------------------------------


def test_a_place_that_was_kept_counts_from_the_request_on():
    pacer, clock = _pacer(10)
    assert pacer.allowed == 7
    assert [pacer.reserve() for _ in range(7)] == [0.0] * 7
    assert pacer.reserve() > 0
    clock.now += 30
    for _ in range(7):
        pacer.begin()
    clock.now += 59
    assert pacer.reserve() == 1.0
    clock.now += 1
    assert pacer.reserve() == 0.0


def test_reads_leave_the_kept_places_alone():
    pacer, clock = _pacer(10)
    for _ in range(3):
        assert pacer.reserve() == 0.0
    for _ in range(4):
        pacer.wait()
    assert not clock.slept
    pacer.wait()
    assert clock.now == 1060.0


def test_without_a_kept_place_a_write_waits_as_a_read_does():
    pacer, clock = _pacer(10)
    for _ in range(8):
        pacer.begin()
    assert clock.now == 1060.0


@given(st.integers(2, 40), st.lists(st.tuples(st.floats(0, 30), st.floats(0, 5), st.booleans()), max_size=60))
def test_reads_and_writes_together_keep_below_the_limit(limit, requests):
    pacer, clock = _pacer(limit)
    passed = []
    for gap, intent, is_write in requests:
        clock.now += gap
        if is_write:
            while (seconds := pacer.reserve()) > 0:
                clock.now += seconds
            clock.now += intent
            pacer.begin()
        else:
            pacer.wait()
        passed.append(clock.now)
    for first, at in enumerate(passed):
        assert sum(at <= other < at + 60 for other in passed[first:]) <= pacer.allowed


def test_after_a_429_no_place_is_given():
    pacer, clock = _pacer()
    pacer.throttled({"retry-after": "7"})
    assert pacer.reserve() == 7.0
    clock.now += 7
    assert pacer.reserve() == 0.0


# --- the end of a run ----------------------------------------------------------------------------------------------


def test_nothing_passes_once_the_run_was_asked_to_stop():
    pacer, _ = _pacer()
    stopping = []
    pacer.end_at(None, lambda: bool(stopping))
    assert pacer.reserve() == 0.0
    pacer.wait()
    stopping.append(True)
    for way in (pacer.wait, pacer.begin, lambda: pacer.pause(1)):
        with pytest.raises(EndedError, match="interrupted"):
            way()


def test_nothing_passes_after_the_deadline():
    pacer, clock = _pacer()
    pacer.end_at(1010.0, lambda: False)
    pacer.wait()
    clock.now = 1010.0
    for way in (pacer.wait, pacer.begin):
        with pytest.raises(EndedError, match="deadline"):
            way()


def test_a_wait_past_the_deadline_does_not_begin():
    pacer, clock = _pacer(2)
    pacer.end_at(1059.0, lambda: False)
    pacer.wait()
    with pytest.raises(EndedError, match="deadline"):
        pacer.wait()
    assert clock.slept == []
    pacer.end_at(1061.0, lambda: False)
    pacer.wait()
    assert 1060.0 <= clock.now < 1060.2


def test_an_interrupt_ends_a_wait_within_a_moment():
    pacer, clock = _pacer(2)
    pacer.end_at(None, lambda: clock.now >= 1020.0)
    pacer.wait()
    with pytest.raises(EndedError, match="interrupted"):
        pacer.wait()
    assert clock.now < 1020.2
    assert max(clock.slept) <= 0.1


def test_threads_that_keep_places_share_one_count():
    pacer = Pacer(100, monotonic=lambda: 1000.0)
    kept = []
    threads = [
        threading.Thread(target=lambda: kept.extend(pacer.reserve() for _ in range(50))) for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert kept.count(0.0) == pacer.allowed == 79


# --- what others use, while several requests are under way ---------------------------------------------------------


def test_requests_under_way_do_not_hide_what_others_used():
    pacer, _ = _pacer(100)
    pacer.wait()
    pacer.learn({"x-ratelimit-remaining": "79"})  # 21 used, 20 of them by others
    for _ in range(4):
        pacer.begin()
    # The first of the four is answered before the other side has seen the rest.
    pacer.learn({"x-ratelimit-remaining": "78"})
    assert pacer._others == 20
    for remaining in ("77", "76", "75"):
        pacer.learn({"x-ratelimit-remaining": remaining})
    assert pacer._others == 20


def test_a_new_minute_shows_although_requests_are_under_way():
    pacer, _ = _pacer(100)
    pacer.wait()
    pacer.learn({"x-ratelimit-remaining": "49"})
    for _ in range(4):
        pacer.begin()
    pacer.learn({"x-ratelimit-remaining": "99"})
    assert pacer._others == 0


def test_a_request_without_an_answer_is_not_under_way_for_ever():
    pacer, _ = _pacer(100)
    pacer.wait()
    pacer.learn({"x-ratelimit-remaining": "79"})
    pacer.begin()
    pacer.lost()
    pacer.begin()
    pacer.learn({"x-ratelimit-remaining": "87"})
    # 13 used, of which 3 are ours and none is under way.
    assert pacer._others == 10
