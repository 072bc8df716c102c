"""Notices: the right people are told, once, and it is known whether it arrived."""
