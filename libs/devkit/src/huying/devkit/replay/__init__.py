"""The replay: reports through the real doors, hour by hour, on a clock of its own. Decides nothing."""
