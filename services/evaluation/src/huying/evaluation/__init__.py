"""Ratings and rates: how well everyone answered. It never counts a silent citizen as a satisfied one."""
