"""The durable record of every posting: append-only events, the tables that follow from them, and locks."""

from chargeplan.journal.store import SqlJournal, open_journal

__all__ = ["SqlJournal", "open_journal"]
