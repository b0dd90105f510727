"""Prepares text for a synthesiser, so that it says what the text says.

Corpora carry tokenised punctuation, web addresses, hash tags, HTML entities, abbreviations and headlines in
capitals. The record's own text stays as it is; only the voice gets the result of `speakable`.
"""

from __future__ import annotations

import html
import re
import unicodedata

from unislu.data.abbreviations import spelled

_BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "(", "-RSB-": ")", "-LCB-": "(", "-RCB-": ")"}
_QUOTES = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "`": "'", "–": "-", "—": ", "}
)
_SYMBOLS = {"&": " and ", "+": " plus ", "=": " equals ", "%": " percent ", "@": " at ", "°": " degrees "}
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_HASHTAG = re.compile(r"#(?=\w)")
_NOT_SPOKEN = re.compile(r"[<>\[\]{}|\\^~*_#]+")
_LONG_CAPITALS = re.compile(r"\b[A-Z]{6,}\b")


def speakable(text: str) -> str | None:
    """A form of `text` for a synthesiser, or `None` when nothing in it can be spoken."""
    words = unicodedata.normalize("NFKC", html.unescape(text)).translate(_QUOTES)
    for written, spoken in _BRACKETS.items():
        words = words.replace(written, spoken)
    words = _URL.sub(_spell_address, words)
    words = _HASHTAG.sub("", words)
    words = re.sub(r"@(?=\w)(?<!\w@)", "", words)
    for symbol, spoken in _SYMBOLS.items():
        words = words.replace(symbol, spoken)
    words = _NOT_SPOKEN.sub(" ", words)
    words = "".join(c for c in words if c.isspace() or unicodedata.category(c)[0] in "LMNPZ" or c in "$£€+")
    if _is_headline(words):
        words = words.lower()
    words = _LONG_CAPITALS.sub(lambda match: match[0].capitalize(), spelled(words))
    words = re.sub(r"\(\s*|\s*\)", ", ", words)
    words = re.sub(r"\s+([,.;:!?])", r"\1", words)
    words = re.sub(r"\s+('(?:s|re|ve|ll|d|m|t)|n't)\b", r"\1", words)
    words = re.sub(r",(?:\s*,)+", ",", words)
    words = re.sub(r"\s+", " ", words).strip(" ,;")
    return words if any(c.isalnum() for c in words) else None


def _spell_address(match: re.Match[str]) -> str:
    """The host of a web address as it is read aloud: nobody reads out its path."""
    host = re.sub(r"^(?:https?://)?(?:www\.)?", "", match[0], flags=re.IGNORECASE)
    return host.partition("/")[0].rstrip(".,;:!?)").replace(".", " dot ")


def _is_headline(text: str) -> bool:
    """Whether a text of several words is written in capitals throughout: engines would spell it out."""
    words = re.findall(r"[^\W\d_]{2,}", text)
    return len(words) > 2 and all(word.isupper() for word in words)
