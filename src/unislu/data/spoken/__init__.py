"""Written text → what is said: the spoken side of a record, for a synthesiser."""

from __future__ import annotations

from unislu.data.spoken.text import spoken_form

__all__ = ["spoken_form"]
