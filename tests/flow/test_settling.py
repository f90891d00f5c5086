"""Settling what is open, against a real journal and a real snapshot."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from chargeplan.core.config import IntegrationConfig
from chargeplan.core.diagnostic import Place
from chargeplan.flow.settling import settle_seen
from chargeplan.journal import open_journal
from chargeplan.snapshot.store import SqliteSnapshot
from tests.journal.builders import intend, states


def test_an_integration_that_was_never_read_settles_nothing_and_stops_nothing(tmp_path):
    """A plan of one integration looks at the open lines of all that are configured."""
    integration = IntegrationConfig(alias="other", id="i1", place=Place("chargeplan.yaml", 1))
    copy = SqliteSnapshot(
        tmp_path / "copy.db", lambda: pytest.fail("nothing is to be read"), identity="api.test"
    )
    with open_journal(str(tmp_path / "journal.db"), create=True) as journal:
        intend(journal, "CP1")
        journal.record("b1", "accepted")
        ports = SimpleNamespace(journal=journal, snapshot=copy, integrations={"i1": integration})
        assert settle_seen(ports) == []
        assert states(journal) == {"CP1": "accepted"}
    copy.close()
