"""Teachers: Whispers whose distribution over text a student learns.

A teacher gets a clip padded to 30 s, as Whisper was pretrained, or as it is, and writes its own text greedily
or follows the record's. It runs on what its cache lacks before the first step of a training run, and resumes
where it was stopped.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unislu.audio import SAMPLE_RATE, load_audio
from unislu.audio.features import HOP, log_mel, padded_log_mel
from unislu.data.records import Record
from unislu.engines.torch import TorchEngine
from unislu.errors import AudioError, RecipeError
from unislu.files import write_whole
from unislu.progress import Progress
from unislu.sequence import SLUE, Prompt, TextTokenizer, Vocabulary, WhisperTokenizer
from unislu.sequence.prompt import whisper_prefix
from unislu.sequence.vocabulary import END, NO_SPEECH
from unislu.training.checkpoint import tokenizer_file_of
from unislu.training.config import TeacherConfig
from unislu.training.examples import TrainingCorpus
from unislu.training.shards import clip_source
from unislu.training.teacher_output import (
    KEPT,
    LONGEST_TEXT,
    TeacherOutput,
    asks_twice,
    is_taught,
    output_file,
    second_file,
    why_left_out,
)

# Cheaper second texts are worse at telling wrong first ones: what Whisper draws at a temperature differs as
# well where it was right, and of clips without padding it writes loops
# (benchmarks/results/2026-11-29-teacher-agreement).
LATER = 0.5
"""Seconds of silence before the clip for a second text: what was heard stays, what was made up changes."""


class Teacher:
    """A Whisper that transcribes for a student.

    Raises:
        RecipeError: it cannot be loaded, or its text tokens are not the student's.
    """

    def __init__(self, backbone: str, student: Vocabulary, device: Any = "cpu") -> None:
        from transformers import WhisperForConditionalGeneration

        try:
            model = WhisperForConditionalGeneration.from_pretrained(backbone, dtype=torch.float32)
            tokenizer = WhisperTokenizer.from_file(tokenizer_file_of(backbone))
        except (OSError, ValueError) as error:
            raise RecipeError(
                f"recipe key 'corpora': teacher.backbone: cannot load {backbone!r}: {error}"
            ) from error
        if dict(tokenizer.text_bytes) != dict(student.tokenizer.text_bytes):
            raise RecipeError(
                f"recipe key 'corpora': teacher.backbone: {backbone!r} has other text tokens than the model "
                "that learns; take one with the same tokenizer"
            )
        rows = int(model.config.vocab_size)
        self._vocabulary = Vocabulary(tokenizer, rows, tokenizer.special_tokens, SLUE)
        self._engine = TorchEngine(model.to(device))
        self._mels = int(model.config.num_mel_bins)
        self._frames = 2 * int(model.config.max_source_positions)
        self._end = self._vocabulary[END]
        self._text = np.array(sorted(self._vocabulary.text_ids | {self._end}))

    def transcribe(
        self, audio: Path | bytes, config: TeacherConfig, text: str | None = None, later: float = 0.0
    ) -> TeacherOutput:
        """What it writes of a clip; or would have written at each position of `text`.

        Args:
            later: seconds of silence before the clip.

        Raises:
            AudioError: the clip cannot be read.
        """
        silence = np.zeros(round(later * SAMPLE_RATE), np.float32)
        samples = np.concatenate([silence, load_audio(audio)])[: self._frames * HOP]
        full = config.padding == "full"
        mel = padded_log_mel(samples, self._frames, self._mels) if full else log_mel(samples, self._mels)
        state = self._engine.start(self._engine.encode(mel[None], np.array([mel.shape[1]])))
        first, *rest = whisper_prefix(self._vocabulary, Prompt(frozenset()))
        logits, state = self._engine.step(np.array([[first]]), state)
        silent = self._vocabulary.ids.get(NO_SPEECH)
        no_speech = 0.0 if silent is None else float(np.exp(_logprobs(logits[0])[silent]))
        given = [] if text is None else [*self._vocabulary.tokenizer.encode(f" {text}"), self._end]
        ids: list[int] = []
        kept = []
        fed = rest
        while True:
            logits, state = self._engine.step(np.array([fed]), state)
            values = _logprobs(logits[0, self._text] / config.temperature)
            best = np.argsort(-values)[:KEPT]
            kept.append((self._text[best], values[best].astype(np.float32)))
            token = given[len(ids)] if given else int(self._text[best[0]])
            if token == self._end or len(ids) == LONGEST_TEXT:
                break
            ids.append(token)
            fed = [token]
        tokens, logprobs = (np.stack(column) for column in zip(*kept, strict=True))
        return TeacherOutput(np.array(ids, np.int64), tokens, logprobs, no_speech)

    def decode(self, output: TeacherOutput) -> str:
        """The text of an output."""
        return self._vocabulary.tokenizer.decode(output.ids.tolist())


def _logprobs(logits: Any) -> Any:
    return logits - np.logaddexp.reduce(logits)


def run_teachers(
    corpora: Sequence[TrainingCorpus], student: Vocabulary, device: Any = "cpu", quiet: bool = False
) -> Counter[str]:
    """Run the corpora's teachers on the clips that their caches lack.

    A clip that cannot be read is named on stderr and left out.

    Returns:
        How many clips' own texts are learned (`learned`), and how many are not, by the reason.

    Raises:
        RecipeError: see `Teacher`.
    """
    taught = [
        (config, corpus.manifest, record)
        for corpus in corpora
        if (config := corpus.config.teacher) is not None
        for record in corpus.records
        if is_taught(config, record)
    ]
    missing = [one for one in taught if _lacks(*one)]
    teachers = {name: Teacher(name, student, device) for name in {config.backbone for config, *_ in taught}}
    with Progress(len(taught), len(taught) - len(missing), enabled=not quiet and bool(missing)) as progress:
        for config, manifest, record in missing:
            try:
                _transcribe(teachers[config.backbone], config, manifest, record)
            except AudioError as error:
                print(f"{error}; left out", file=sys.stderr)
            progress.advance()
    return Counter(_fate(*one, student.tokenizer) for one in taught if one[0].text == "own")


def _lacks(config: TeacherConfig, manifest: Path, record: Record) -> bool:
    """Whether a clip's output is not there, or the second text that its own asks for."""
    file = output_file(config, manifest, record)
    if not file.exists():
        return True
    asked = asks_twice(config) and not second_file(file).exists()
    return asked and TeacherOutput.read(file).flaw is None


def _transcribe(teacher: Teacher, config: TeacherConfig, manifest: Path, record: Record) -> None:
    """Write what a clip lacks."""
    file, audio = output_file(config, manifest, record), clip_source(manifest, str(record.audio))
    if file.exists():
        output = TeacherOutput.read(file)
    else:
        output = teacher.transcribe(audio, config, None if config.text == "own" else record.text)
        output.write(file)
    if asks_twice(config) and output.flaw is None:
        again = teacher.transcribe(audio, config, later=LATER)
        write_whole(second_file(file), teacher.decode(again))


def _fate(config: TeacherConfig, manifest: Path, record: Record, tokenizer: TextTokenizer) -> str:
    """`learned`, or why a clip's own text is not."""
    file = output_file(config, manifest, record)
    if not file.exists():
        return "unreadable"
    return why_left_out(config, file, TeacherOutput.read(file), tokenizer) or "learned"
