"""The one shape all pack records share: frozen and strict about names; refuses unknown fields."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A line or entry of the pack: immutable, and a misspelt field is an error instead of silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)
