"""What tests of the web page share: waiting, files, and a conversation with speakers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PATIENCE = 60_000  # milliseconds; a busy machine is slow, not wrong
SAID = [
    ("S1", "Good morning, this is Anna Weber from Northwind.", "neutral"),
    ("S2", "Hello, my delivery has not arrived, and I am really disappointed.", "negative"),
    ("S1", "You will have it on Monday in Hamburg.", "positive"),
]
ENTITIES = [("PERSON", "Anna Weber", 0.98), ("ORG", "Northwind", 0.91), ("PLACE", "Hamburg", 0.42)]


def conversation(repeated: int = 1) -> dict[str, Any]:
    """A result as the server gives it for two speakers, three seconds a sentence."""
    segments: list[dict[str, Any]] = []
    for place, (speaker, sentence, mood) in enumerate(SAID * repeated):
        start_char = segments[-1]["end_char"] + 1 if segments else 0
        words, at = [], 0
        for number, word in enumerate(sentence.split()):
            at = sentence.index(word, at)
            start = 3.0 * place + 0.2 * number
            words.append(
                {"text": word, "start": round(start, 3), "end": round(start + 0.18, 3), "confidence": 0.9,
                 "start_char": start_char + at, "end_char": start_char + at + len(word), "speaker": speaker}
            )  # fmt: skip
            at += len(word)
        scores = {"positive": 0.1, "neutral": 0.1, "negative": 0.1, "mixed": 0.1, mood: 0.7}
        segments.append(
            {"start": 3.0 * place, "end": 3.0 * place + 3, "text": sentence, "start_char": start_char,
             "end_char": start_char + len(sentence), "no_speech": False, "avg_logprob": -0.1, "words": words,
             "sentiment": {"label": mood, "scores": scores}, "failed": None, "channel": None,
             "speaker": speaker}
        )  # fmt: skip
    text = " ".join(segment["text"] for segment in segments)
    duration = 3.0 * len(segments)
    whole = {"positive": 0.3, "neutral": 0.4, "negative": 0.2, "mixed": 0.1}
    return {
        "schema_version": 1, "file": "call.wav", "duration": duration, "language": "en", "text": text,
        "entities": [_entity(text, segments, *one) for one in ENTITIES],
        "sentiment": {"label": "neutral", "scores": whole}, "segments": segments, "model": "unislu-base 1",
        "timings": {}, "warnings": [], "untrained_types": [],
        "speakers": [{"id": "S1", "seconds": 4.0, "name": None, "sentiment": None},
                     {"id": "S2", "seconds": 2.0, "name": None,
                      "sentiment": {"label": "neutral", "scores": whole}}],
    }  # fmt: skip


def _entity(text: str, segments: list[dict[str, Any]], kind: str, words: str, sure: float) -> dict[str, Any]:
    first = text.index(words)
    spoken = [word for segment in segments for word in segment["words"]]
    inside = [
        n for n, w in enumerate(spoken) if w["end_char"] > first and w["start_char"] < first + len(words)
    ]
    return {
        "type": kind, "text": words, "start_char": first, "end_char": first + len(words), "confidence": sure,
        "start": spoken[inside[0]]["start"], "end": spoken[inside[-1]]["end"], "start_word": inside[0],
        "end_word": inside[-1] + 1, "speaker": spoken[inside[0]]["speaker"],
    }  # fmt: skip


def without_speakers(result: dict[str, Any]) -> dict[str, Any]:
    """The result of a request that does not ask for them."""
    if isinstance(result, dict):
        kept = {k: without_speakers(v) for k, v in result.items() if k not in ("speaker", "speakers")}
        return kept
    return [without_speakers(item) for item in result] if isinstance(result, list) else result


def choose(page: Any, *clips: Path) -> None:
    """Choose files, and wait for the first one's transcript."""
    page.set_input_files("#file", [str(clip) for clip in clips])
    page.wait_for_selector("#text .w", state="attached")


def until(page: Any, condition: str) -> None:
    """Waits for a condition in JavaScript; the page's policy forbids the driver's own way of waiting."""
    for _ in range(PATIENCE // 50):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def when(page: Any, condition: Any) -> None:
    """Waits for a condition in Python."""
    for _ in range(PATIENCE // 50):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError


def hold(page: Any, path: str) -> list[Any]:
    """Requests for a path wait in this list until `continue_` is called on them."""
    held: list[Any] = []
    page.route(re.compile(path), lambda route: held.append(route))
    return held


def download(page: Any, selector: str) -> tuple[str, bytes]:
    with page.expect_download() as started:
        page.click(selector)
    return started.value.suggested_filename, Path(started.value.path()).read_bytes()


def in_view(page: Any, selector: str) -> bool:
    found: bool = page.evaluate(
        """selector => {
            const {top, bottom, height} = document.querySelector(selector).getBoundingClientRect();
            return height > 0 && top >= 0 && bottom <= innerHeight + 1;
        }""",
        selector,
    )
    return found
