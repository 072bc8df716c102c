"""What routing decides: which incident a report belongs to, who gets it, and whether a command is legal.

Pure: state, message and time in, steps out. No I/O, no clock, no randomness.
"""

from ..asides import wakes_at
from .arriving import Arrival, classify, facts_of, locate, place_of, receive, ref_of
from .catalogue import Catalogue
from .obeying import obey
from .turn import Decision, Scene
from .waking import wake

__all__ = [
    "Arrival",
    "Catalogue",
    "Decision",
    "Scene",
    "classify",
    "facts_of",
    "locate",
    "obey",
    "place_of",
    "receive",
    "ref_of",
    "wake",
    "wakes_at",
]
