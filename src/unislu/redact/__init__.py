"""Redaction: a result and a recording without the words of chosen entities, checked by listening again.

analysis = model.analyze("call.mp3")
matches = find_matches(analysis, ["person"])
redacted = redact_analysis(analysis, ["person"], how="type")
redact_audio("call.mp3", "redacted/call.mp3", audio_spans(analysis, matches), how="beep")
heard_again = verify(model, "redacted/call.mp3", matches)

`redact_verified` does the last two steps, and covers what is heard again.
"""

from __future__ import annotations

from .audio import AUDIO_HOWS, DEFAULT_GUARD, check_guard, redact_audio
from .matches import Match, audio_spans, check_untimed, find_matches
from .text import HOWS, Pseudonyms, redact_analysis
from .verify import Leak, redact_verified, verify

__all__ = [
    "redact_analysis",
    "redact_audio",
    "redact_verified",
    "verify",
    "find_matches",
    "audio_spans",
    "Match",
    "Leak",
    "Pseudonyms",
    "check_guard",
    "check_untimed",
    "HOWS",
    "AUDIO_HOWS",
    "DEFAULT_GUARD",
]
