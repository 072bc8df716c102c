"""Finds the pack and model that ship with the county; refuses to fall back to another one silently."""

from __future__ import annotations

from pathlib import Path

from huying.county import load
from huying.routing.judgement import Judge, JudgementModel, PackBits, load_model, model_file
from huying.routing.judgement.pack import bits_of

from ..installation import default_pack


def pack_dir(given: Path | None) -> Path:
    """The pack given, or the one that ships."""
    return given or default_pack()


def pack_bits(given: Path | None) -> PackBits:
    """What judgement reads of the pack."""
    return bits_of(load(pack_dir(given)))


def model_path(pack: Path | None) -> Path:
    """Where the live model of a pack stands."""
    return model_file(pack_dir(pack))


def shipped_model(pack: Path | None, given: Path | None) -> JudgementModel:
    """The model given, or the pack's live one."""
    return load_model(given if given is not None else model_path(pack))


def shipped_judge(pack: Path | None, model: Path | None) -> Judge:
    """The engine as it ships."""
    return Judge(pack_bits(pack), shipped_model(pack, model))
