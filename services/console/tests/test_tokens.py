"""The colours that people read: dark enough on every ground."""

import re

import pytest

from huying.console import tokens

COLOUR = r"(#[0-9A-Fa-f]{6}|#fff)"
GROUNDS = {ground for ground in re.findall(rf"background:{COLOUR}", tokens.CSS) if ground > "#D"}
"""The light ones: what stands on a dark one is white."""
INKS = {"ink": tokens.INK, "quiet": tokens.QUIET, "accent": tokens.ACCENT, **tokens.TONES}


def light(colour: str) -> float:
    """Relative luminance, as WCAG has it."""
    full = "#FFFFFF" if colour == "#fff" else colour
    parts = [int(full[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", INKS)
def test_every_colour_can_be_read_on_every_ground(name: str) -> None:
    assert {tokens.GROUND, tokens.SURFACE, tokens.EMERGENCY_GROUND, "#EAF1FC", "#F0F5FD"} <= GROUNDS
    weak = {ground: round(contrast(INKS[name], ground), 2) for ground in GROUNDS if contrast(INKS[name], ground) < 4.5}
    assert not weak
    assert contrast(INKS[name], "#fff") >= 4.5, "white words on it: a count, a button, a notice"
