"""One suite that every property system has to pass before anybody posts to it (each with its quirks, all by one protocol)."""
