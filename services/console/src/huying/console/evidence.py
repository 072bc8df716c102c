"""What two texts have in common, marked in both for a dispatcher's eye. Pure; it judges nothing."""

from difflib import SequenceMatcher
from html import escape

SHORTEST = 2
"""One shared character of Chinese says nothing; two are a word."""
Span = tuple[int, int]


def marked(text: str, *others: str) -> tuple[str, ...]:
    """All of them as HTML, escaped, with `<mark>` around what the first shares with each: in it, and in that one."""
    here: list[Span] = []
    shown: list[str] = []
    for other in others:
        blocks = SequenceMatcher(None, text, other, autojunk=False).get_matching_blocks()
        blocks = [block for block in blocks if block.size >= SHORTEST]
        here += [(block.a, block.a + block.size) for block in blocks]
        shown.append(_mark(other, [(block.b, block.b + block.size) for block in blocks]))
    return (_mark(text, _whole(here)), *shown)


def _whole(spans: list[Span]) -> list[Span]:
    """In order, those that overlap as one."""
    out: list[Span] = []
    for start, end in sorted(spans):
        if out and start < out[-1][1]:
            out[-1] = out[-1][0], max(end, out[-1][1])
        else:
            out.append((start, end))
    return out


def _mark(text: str, spans: list[Span]) -> str:
    out, at = [], 0
    for start, end in spans:
        out.append(f"{escape(text[at:start])}<mark>{escape(text[start:end])}</mark>")
        at = end
    return "".join(out) + escape(text[at:])
