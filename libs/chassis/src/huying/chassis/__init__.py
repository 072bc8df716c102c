"""The ground every service stands on: one call builds a service that is exactly-once, measured and guarded.

Knows nothing of reports, incidents or counties.
"""
