"""Routing: classifies, correlates and dispatches reports, and obeys commands. The one writer of incidents.

It keeps no clocks, tells nobody, and rates nothing.
"""
