"""A house whose journal is in PostgreSQL."""

from __future__ import annotations

import os

from tests.e2e.house import TOKEN, House, Result

VARIABLE = "CHARGEPLAN_TEST_JOURNAL"


class SharedHouse(House):
    """Its journal is at ``address``, which the environment variable of its configuration tells."""

    address = ""

    def config(self, more: str = "", **options) -> None:
        super().config(more, **options)
        file = self.folder / "chargeplan.yaml"
        file.write_text(file.read_text().replace("journal: .chargeplan/x.db", f"journal_env: {VARIABLE}", 1))

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, VARIABLE: self.address}

    def run(self, *words, token: str | None = TOKEN) -> Result:
        os.environ[VARIABLE] = self.address
        try:
            return super().run(*words, token=token)
        finally:
            del os.environ[VARIABLE]
