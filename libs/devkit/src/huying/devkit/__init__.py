"""Everything that runs, drives, measures and attacks the system. No service imports it."""
