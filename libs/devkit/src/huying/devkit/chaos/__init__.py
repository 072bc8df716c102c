"""Kills and freezes parts of a living system under load, and proves afterwards that nothing was lost or done twice."""

from .run import run

__all__ = ["run"]
