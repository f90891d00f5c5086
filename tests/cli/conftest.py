"""A portfolio for commands that look at more than one property."""

from __future__ import annotations

import pytest

from tests.benchmarks.portfolio import Portfolio


@pytest.fixture(scope="session")
def portfolio(tmp_path_factory):
    """The folder of a project with five properties; July is posted, and so is August but for every tenth household."""
    folder = tmp_path_factory.mktemp("portfolio") / "project"
    Portfolio(5, months=2, gap=10).build(folder)
    return folder
