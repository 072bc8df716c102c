"""What intake decides, stage by stage: acceptance, progress. No I/O, no clock, no randomness."""
