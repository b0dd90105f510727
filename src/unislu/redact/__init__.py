"""Redaction: a result and a recording without the words of chosen entities, verified by transcribing
again.

redaction = Redaction(model.analyze("call.mp3"), ["person"])
copy = redact_verified(model, "call.mp3", "redacted/call.mp3", redaction, how="beep")
redacted = redaction.redacted(Pseudonyms("type"))

`redact_analysis` is for results alone, `redact_audio` for your own spans.
"""

from __future__ import annotations

from .audio import AUDIO_HOWS, DEFAULT_GUARD, RedactedAudio, check_guard, redact_audio
from .leaks import Leak
from .matches import Match, audio_spans, check_untimed, find_matches
from .redaction import REDACT_BIAS, Redaction, redact_verified
from .text import HOWS, Pseudonyms, redact_analysis

__all__ = [
    "redact_analysis",
    "redact_audio",
    "redact_verified",
    "Redaction",
    "RedactedAudio",
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
    "REDACT_BIAS",
]
