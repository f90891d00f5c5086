"""The durable record of every posting: append-only events, the tables that follow from them, and locks."""

from chargeplan.journal.home import Home
from chargeplan.journal.moving import MovedJournal, move_journal
from chargeplan.journal.recorder import default_actor
from chargeplan.journal.store import SqlJournal, open_journal

__all__ = ["Home", "MovedJournal", "SqlJournal", "default_actor", "move_journal", "open_journal"]
