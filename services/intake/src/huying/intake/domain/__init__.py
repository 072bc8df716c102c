"""What intake decides, stage by stage: persons, places, acceptance, progress. No I/O, no clock, no randomness."""
