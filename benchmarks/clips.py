"""Clips of exact lengths: cut from a folder of speech, or spoken by a synthesiser if there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np

RATE = 16_000
GAP = np.zeros(RATE // 5, np.float32)
SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"}
# Spoken if no folder is given: ordinary sentences with about as many entities as news and debates have.
SENTENCES = (
    "Mister President, the European Commission presented its proposal in Strasbourg last Tuesday.",
    "I am very happy that Angela Merkel and the French government found an agreement in two weeks.",
    "The company lost twenty million dollars in Brazil, and nobody at the bank noticed it until March.",
    "We drove along the river for an hour and talked about nothing in particular.",
    "Doctor Anna Schmidt from Vienna told the World Health Organization that the results are disappointing.",
    "Could you book a table for four at the new Italian restaurant on Friday evening?",
    "The United Nations sent three hundred soldiers to the border between Chad and Sudan in nineteen ninety.",
    "It was a terrible film, badly acted and far too long, and I would not watch it again.",
    "Thank you very much for the wonderful evening, everybody enjoyed the music.",
    "Article seven of the treaty applies to every member state, including Poland and Hungary.",
)


def make_clips(folder: Path | None, seconds: int, count: int) -> list[np.ndarray]:
    """Returns `count` clips `[seconds * 16000] float32`, different ones as far as the speech reaches.

    Raises:
        SystemExit: the folder holds no speech, or no synthesiser is installed.
    """
    speech = from_folder(folder, seconds * count) if folder else synthesised()
    if not len(speech):
        raise SystemExit(f"speed.py: no audio files in {folder}")
    length = seconds * RATE
    repeated = np.tile(speech, -(-length * count // len(speech)))
    return [np.ascontiguousarray(repeated[n * length : (n + 1) * length]) for n in range(count)]


def from_folder(folder: Path, seconds: int) -> np.ndarray:
    """Joins the files of a folder, in the order of their names, until there are enough seconds."""
    from unislu.audio import load_audio

    pieces: list[np.ndarray] = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        pieces += [load_audio(path), GAP]
        if sum(map(len, pieces)) >= seconds * RATE:
            break
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def synthesised() -> np.ndarray:
    """Speaks the sentences with the first voice that is installed."""
    from unislu.audio import load_audio
    from unislu.data.voices import open_voice
    from unislu.errors import UnisluError

    for specification in ("hibari:us", "flite:slt", "espeak:en-us"):
        try:
            voice = open_voice(specification)
            spoken = [voice.speak(sentence) for sentence in SENTENCES]
        except UnisluError:
            continue
        pieces = [load_audio(samples, sample_rate=rate) for samples, rate in spoken]
        return np.concatenate([part for piece in pieces for part in (piece, GAP)])
    raise SystemExit('speed.py: give a folder of speech, or install a voice: pip install ".[tts]"')
