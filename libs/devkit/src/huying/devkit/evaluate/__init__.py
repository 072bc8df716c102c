"""Measures the judgement on labelled data: correlation, classification, screening, speed.

Refuses to fit on what it judges: without --cv the shipped engine is used as it is.
"""
