"""A result in the formats that clients of other services read."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from string import ascii_uppercase
from typing import Any

from ..result import Analysis, Segment, Sentiment, Word, covered, spoken_words, untimed_words
from ..writers.spans import speaker_names, written

LANGUAGES = {
    "ar": "arabic", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "fi": "finnish", "fr": "french", "he": "hebrew", "hi": "hindi", "hu": "hungarian",
    "id": "indonesian", "it": "italian", "ja": "japanese", "ko": "korean", "nl": "dutch", "no": "norwegian",
    "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sk": "slovak", "sv": "swedish",
    "tr": "turkish", "uk": "ukrainian", "vi": "vietnamese", "zh": "chinese",
}  # fmt: skip
FRAMES_PER_SECOND = 50  # positions of the encoder, which usage counts as audio tokens
Encode = Callable[[str], Sequence[int]]


def all_words(analysis: Analysis) -> list[Word]:
    """The words of all segments. Words without times get those of their segment."""
    return [word for segment in analysis.segments for word in spoken_words(segment)]


def spoken(analysis: Analysis) -> list[Segment]:
    """The segments with speech."""
    return [segment for segment in analysis.segments if segment.text.strip()]


def openai_json(analysis: Analysis) -> dict[str, Any]:
    """The answer for `response_format=json`."""
    return {"text": analysis.text or "", "usage": {"type": "duration", "seconds": analysis.duration}}


def openai_verbose(analysis: Analysis, granularities: Sequence[str], encode: Encode) -> dict[str, Any]:
    """The answer for `response_format=verbose_json`. `encode`: text to token ids."""
    language = analysis.language or ""
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": LANGUAGES.get(language, language),
        "duration": analysis.duration,
        "text": analysis.text or "",
        "usage": {"type": "duration", "seconds": analysis.duration},
    }
    if "segment" in granularities:
        segments = enumerate(spoken(analysis))
        body["segments"] = [_openai_segment(number, segment, encode) for number, segment in segments]
    if "word" in granularities:
        body["words"] = [{"word": w.text, "start": w.start, "end": w.end} for w in all_words(analysis)]
    return body


def openai_diarized(analysis: Analysis) -> dict[str, Any]:
    """The answer for `response_format=diarized_json`."""
    return {
        "task": "transcribe",
        "duration": analysis.duration,
        "text": analysis.text or "",
        "segments": openai_turns(analysis),
        "usage": {"type": "duration", "seconds": analysis.duration},
    }


def openai_turns(analysis: Analysis) -> list[dict[str, Any]]:
    """What each speaker says, one after the other, within segments."""
    labels = _openai_labels(analysis)
    turns = [
        (who, list(said))
        for segment in spoken(analysis)
        for who, said in groupby(segment.words or untimed_words(segment), lambda word: word.speaker)
    ]
    return [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{number}",
            "start": words[0].start,
            "end": words[-1].end,
            "speaker": labels[who or ""],
            "text": " ".join(word.text for word in words),
        }
        for number, (who, words) in enumerate(turns)
    ]


def _openai_labels(analysis: Analysis) -> dict[str, str]:
    """The names of known speakers and the letters of the others, by id."""
    known = {speaker.name for speaker in analysis.speakers or ()}
    letters = (letter for letter in ascii_uppercase if letter not in known)
    return {speaker.id: speaker.name or next(letters) for speaker in analysis.speakers or ()}


def _openai_segment(number: int, segment: Segment, encode: Encode) -> dict[str, Any]:
    data = segment.text.encode()
    return {
        "id": number,
        "seek": round(segment.start * 100),
        "start": segment.start,
        "end": segment.end,
        "text": f" {segment.text}",  # as Whisper writes it: segments joined are the transcript
        "tokens": list(encode(f" {segment.text}")),
        "temperature": 0.0,
        "avg_logprob": segment.avg_logprob if segment.avg_logprob is not None else 0.0,
        "compression_ratio": round(len(data) / len(zlib.compress(data)), 4),
        "no_speech_prob": 1.0 if segment.no_speech else 0.0,
    }


def openai_extras(analysis: Analysis, include: Sequence[str]) -> dict[str, Any]:
    """Extensions of unislu, if requested with `include[]`."""
    result = analysis.to_dict()
    return {name: result[name] for name in ("entities", "sentiment") if name in include}


def openai_usage(analysis: Analysis, encode: Encode) -> dict[str, Any]:
    """Input and output tokens, with which a streamed answer ends."""
    audio = round(analysis.duration * FRAMES_PER_SECOND)
    written = len(encode(analysis.text or ""))
    details = {"audio_tokens": audio, "text_tokens": 0}
    return {
        "type": "tokens", "input_tokens": audio, "output_tokens": written,
        "total_tokens": audio + written, "input_token_details": details,
    }  # fmt: skip


def deepgram(analysis: Analysis) -> dict[str, Any]:
    """Like Deepgram's answer for one channel. Word numbers count over the whole transcript, both ends
    included.
    """
    words = all_words(analysis)
    alternative: dict[str, Any] = {
        "transcript": analysis.text or "",
        "confidence": _mean([word.confidence for word in words]),
        "words": [
            {
                "word": word.text.strip(".,!?;:\"“”").lower() or word.text, "start": word.start,
                "end": word.end, "confidence": word.confidence, "punctuated_word": word.text,
                **_deepgram_speaker(analysis, word),
            }
            for word in words
        ],
    }  # fmt: skip
    if analysis.entities is not None:
        alternative["entities"] = []
        for entity in analysis.entities:
            first, last = _covered(words, entity.start_char, entity.end_char)
            alternative["entities"].append(
                {
                    "label": entity.type, "value": written(entity) or entity.text, "raw_value": entity.text,
                    "confidence": entity.confidence, "start_word": first, "end_word": last,
                }
            )  # fmt: skip
    results: dict[str, Any] = {"channels": [{"alternatives": [alternative]}]}
    if analysis.sentiment is not None:
        results["sentiments"] = {
            "segments": [_deepgram_sentiment(words, *part) for part in _sentiments(analysis)],
            "average": _deepgram_score(analysis.sentiment),
        }
    metadata = {
        "request_id": str(uuid.uuid4()), "created": datetime.now(UTC).isoformat(),
        "duration": analysis.duration, "channels": 1, "models": [analysis.model],
        "warnings": list(analysis.warnings),
    }  # fmt: skip
    return {"metadata": metadata, "results": results}


def _deepgram_speaker(analysis: Analysis, word: Word) -> dict[str, int]:
    """The number of the speaker, counted from 0; nothing if speakers were not requested."""
    ids = [speaker.id for speaker in analysis.speakers or ()]
    return {"speaker": ids.index(word.speaker)} if word.speaker in ids else {}


def _covered(words: Sequence[Word], start_char: int, end_char: int) -> tuple[int, int]:
    """The first and the last word that overlap the characters."""
    inside = covered(words, start_char, end_char)
    return (inside[0], inside[-1]) if inside else (0, 0)


def _sentiments(analysis: Analysis) -> list[tuple[str, int, int, Sentiment]]:
    """(text, first character, last character, sentiment) of the segments, or of the whole."""
    found = [
        (segment.text, segment.start_char, segment.end_char, mood)
        for segment in spoken(analysis)
        if (mood := segment.sentiment) is not None
    ]
    if not found and analysis.sentiment is not None and analysis.text:
        found = [(analysis.text, 0, len(analysis.text), analysis.sentiment)]
    return found


def _deepgram_sentiment(
    words: Sequence[Word], text: str, start: int, end: int, sentiment: Sentiment
) -> dict[str, Any]:
    first, last = _covered(words, start, end)
    return {"text": text, "start_word": first, "end_word": last, **_deepgram_score(sentiment)}


def _deepgram_score(sentiment: Sentiment) -> dict[str, Any]:
    """-1 (negative) to 1 (positive)."""
    scores = sentiment.scores
    score = scores.get("positive", 0.0) - scores.get("negative", 0.0)
    label = sentiment.label if sentiment.label in ("positive", "negative") else "neutral"
    return {"sentiment": label, "sentiment_score": round(score, 4)}


def assemblyai(analysis: Analysis) -> dict[str, Any]:
    """Like AssemblyAI's transcript object; times in milliseconds."""
    names = speaker_names(analysis)
    words = [replace(word, speaker=names.get(word.speaker or "")) for word in all_words(analysis)]
    body: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "status": "completed",
        "language_code": analysis.language,
        "text": analysis.text,
        "audio_duration": analysis.duration,
        "confidence": _mean([word.confidence for word in words]),
        "words": _assemblyai_words(words),
        "entity_detection": analysis.entities is not None,
        "sentiment_analysis": analysis.sentiment is not None,
        "entities": None,
        "sentiment_analysis_results": None,
    }
    if analysis.entities is not None:
        body["entities"] = [
            {
                "entity_type": entity.type.lower().replace(" ", "_").replace("-", "_"),
                "text": entity.text,
                **_span(words, entity.start_char, entity.end_char),
                # Not of theirs: their clients leave out keys that they do not know.
                **({} if entity.value is None else {"value": dict(entity.value)}),
            }
            for entity in analysis.entities
        ]
    if analysis.sentiment is not None:
        body["sentiment_analysis_results"] = [
            {
                "text": text, **_span(words, start, end), "sentiment": _assemblyai_label(sentiment),
                "confidence": sentiment.scores[sentiment.label],
                "speaker": _speaker_of(words, start, end),
            }
            for text, start, end, sentiment in _sentiments(analysis)
        ]  # fmt: skip
    if analysis.speakers is not None:
        body["speaker_labels"] = True
        body["utterances"] = [
            _utterance(speaker, list(said)) for speaker, said in groupby(words, lambda word: word.speaker)
        ]
    return body


def _speaker_of(words: Sequence[Word], start_char: int, end_char: int) -> str | None:
    """The speaker of the first of the words."""
    inside = covered(words, start_char, end_char)
    return words[inside[0]].speaker if inside else None


def _utterance(speaker: str | None, words: Sequence[Word]) -> dict[str, Any]:
    return {
        "speaker": speaker,
        "text": " ".join(word.text for word in words),
        "start": _ms(words[0].start),
        "end": _ms(words[-1].end),
        "confidence": _mean([word.confidence for word in words]),
        "words": _assemblyai_words(words),
    }


def _assemblyai_words(words: Sequence[Word]) -> list[dict[str, Any]]:
    return [
        {
            "text": w.text,
            "start": _ms(w.start),
            "end": _ms(w.end),
            "confidence": w.confidence,
            "speaker": w.speaker,
        }
        for w in words
    ]


def _span(words: Sequence[Word], start_char: int, end_char: int) -> dict[str, int]:
    inside = [words[place] for place in covered(words, start_char, end_char)]
    if not inside:
        return {"start": 0, "end": 0}
    return {"start": _ms(min(w.start for w in inside)), "end": _ms(max(w.end for w in inside))}


def _assemblyai_label(sentiment: Sentiment) -> str:
    return sentiment.label.upper() if sentiment.label in ("positive", "negative") else "NEUTRAL"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None
