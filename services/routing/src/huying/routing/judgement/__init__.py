"""The judgement engine: which reports are one problem, what it is, and where.

Refuses I/O (but for reading a model file), clocks and chance.
"""

from .correlator import Correlator, Overlay
from .facts import (
    RECURRENCE_AFTER_DAYS,
    Candidate,
    CorrelationPolicy,
    Gazetteer,
    IncidentView,
    Limits,
    Matter,
    PackBits,
    PlaceGuess,
    RankedMatter,
    Reason,
    ReportFacts,
    Screening,
    ScreeningPolicy,
    Verdict,
    Village,
)
from .judge import Judge
from .model import JudgementModel, load_model, model_file, save_model
from .parts import Part, parts
from .rehearsal import rehearse

__all__ = [
    "RECURRENCE_AFTER_DAYS",
    "Candidate",
    "CorrelationPolicy",
    "Correlator",
    "Gazetteer",
    "IncidentView",
    "Judge",
    "JudgementModel",
    "Limits",
    "Matter",
    "Overlay",
    "PackBits",
    "Part",
    "PlaceGuess",
    "RankedMatter",
    "Reason",
    "ReportFacts",
    "Screening",
    "ScreeningPolicy",
    "Verdict",
    "Village",
    "load_model",
    "model_file",
    "parts",
    "rehearse",
    "save_model",
]
