"""What two texts have in common, marked in both for a dispatcher's eye. Pure; it judges nothing."""

from difflib import SequenceMatcher
from html import escape

SHORTEST = 2
"""One shared character of Chinese says nothing; two are a word."""


def marked(left: str, right: str) -> tuple[str, str]:
    """Both texts as HTML, escaped, with `<mark>` around what they share."""
    blocks = [
        block
        for block in SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
        if block.size >= SHORTEST
    ]
    return (
        _mark(left, [(block.a, block.a + block.size) for block in blocks]),
        _mark(right, [(block.b, block.b + block.size) for block in blocks]),
    )


def _mark(text: str, spans: list[tuple[int, int]]) -> str:
    out, at = [], 0
    for start, end in spans:
        out.append(f"{escape(text[at:start])}<mark>{escape(text[start:end])}</mark>")
        at = end
    return "".join(out) + escape(text[at:])
