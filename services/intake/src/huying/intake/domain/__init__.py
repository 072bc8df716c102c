"""What intake decides, stage by stage: wording, persons, places, acceptance, progress. No I/O, no clock, no randomness."""
