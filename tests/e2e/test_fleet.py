"""Six hostile months of several runners on one PostgreSQL; `python -m tests.fleet --runs 200` for more."""

from __future__ import annotations

import pytest

from tests.fleet import fleet


@pytest.mark.slow
@pytest.mark.parametrize("runners", [2, 4, 8])
def test_nobody_is_billed_twice_and_nothing_is_lost(postgres, runners):
    assert postgres  # skipped where there is none
    said = []
    assert fleet(2, 20270802, runners=(runners,), say=said.append) == 0, "\n".join(said)
