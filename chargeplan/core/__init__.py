"""Pure decisions on plain values: no file, clock, network, environment or logging."""
