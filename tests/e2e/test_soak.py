"""Ten hostile months; `python -m tests.soak --runs 1000` for more."""

from __future__ import annotations

import pytest

from tests.soak import soak


@pytest.mark.slow
def test_nobody_is_billed_twice_and_nothing_is_lost():
    said = []
    assert soak(10, 20270802, said.append) == 0, "\n".join(said)
