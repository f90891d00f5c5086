"""The same house as the end-to-end tests', and the portfolio of the command line's."""

from __future__ import annotations

from tests.cli.conftest import portfolio
from tests.e2e.conftest import house, seeded

__all__ = ["house", "portfolio", "seeded"]
