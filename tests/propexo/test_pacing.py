"""Under 80 % of the limit in any minute, by a clock of our own."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from chargeplan.propexo.pacing import Pacer


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
