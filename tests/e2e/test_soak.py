"""A hundred hostile months; `python -m tests.soak --runs 1000 --workers 3` for more."""

from __future__ import annotations

import pytest

from tests.soak import soak


@pytest.mark.slow
@pytest.mark.parametrize("first", [24, 30, 36])
def test_on_a_ledger_that_the_office_shares_a_person_settles_everything(first):
    """Of more than these: `python -m tests.soak --office --runs 1000`."""
    said = []
    assert soak(6, 1, first=first, workers=2, office=True, say=said.append) == 0, "\n".join(said)


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 25, 50, 75])
def test_nobody_is_billed_twice_and_nothing_is_lost(first):
    said = []
    assert soak(25, 20270802, first=first, workers=2, say=said.append) == 0, "\n".join(said)
