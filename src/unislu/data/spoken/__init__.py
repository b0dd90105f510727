"""Written text → spoken form: what a synthesiser should say."""

from __future__ import annotations

from unislu.data.spoken.text import spoken_form

__all__ = ["spoken_form"]
