"""Files, opened and written so that nothing a path may lead to can hang, fill the memory or be left half written."""
