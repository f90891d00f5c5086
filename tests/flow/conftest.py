"""The same house as the end-to-end tests'."""

from __future__ import annotations

from tests.e2e.conftest import house, seeded

__all__ = ["house", "seeded"]
