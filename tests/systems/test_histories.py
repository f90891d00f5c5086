"""A few hostile histories of every system; `python -m tests.systems.histories` plays a hundred of each."""

from __future__ import annotations

import pytest

from tests.systems.estate import POSTABLE
from tests.systems.histories import play

CASES = [(name, number) for number, name in enumerate(POSTABLE)]


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_a_history_bills_nobody_twice_and_loses_nothing(tmp_path, name, seed):
    play(tmp_path, name, seed)
