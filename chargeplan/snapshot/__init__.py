"""The local copy of what Propexo showed: a SQLite file that may be deleted at any time."""
