"""The command line: the only room that knows every other. It wires them, prints, and ends with an exit code."""
