"""Recognisers: faster-whisper, Whisper through transformers, and existing transcripts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unislu.audio import load_audio
from unislu.bundle import file_digest
from unislu.errors import BundleNotFoundError, RecordError
from unislu.evaluation.baselines.parts import (
    PartSetting,
    TorchPart,
    Transcription,
    is_local,
    needed,
    shown,
)
from unislu.evaluation.prediction_files import read_predictions
from unislu.evaluation.provenance import installed
from unislu.evaluation.question import Prediction, Question

RATE = 16_000
WINDOW = 30.0


class FasterWhisper:
    """Whisper on CTranslate2, int8 on the CPU, English, without timestamps."""

    parameters = None  # CTranslate2 does not report them

    def __init__(self, model: str, setting: PartSetting) -> None:
        """`model`: a folder in CTranslate2's format, a size, or a name on the hub."""
        package = needed("faster_whisper", "faster-whisper")
        self._name, self._setting = model, setting
        self._model = package.WhisperModel(
            model,
            device="cpu",
            compute_type="int8",
            cpu_threads=setting.threads or 0,
            local_files_only=is_local(model),
        )

    def transcribe(self, question: Question) -> Transcription:
        """Transcribe one clip; of any length."""
        samples = load_audio(question.audio)
        # Windows are independent, as in every other system here.
        segments, _ = self._model.transcribe(
            samples,
            language="en",
            beam_size=self._setting.beam,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        text = "".join(segment.text for segment in segments)
        return Transcription(" ".join(text.split()), len(samples) / RATE)

    @property
    def facts(self) -> Mapping[str, Any]:
        """Model, beam, precision and versions."""
        about = {"model": shown(self._name), "beam": self._setting.beam, "compute_type": "int8"}
        return {**about, **installed("faster-whisper", "ctranslate2")}


class TransformersWhisper(TorchPart):
    """Whisper as it was published, in float32 through transformers; clips of at most 30 s."""

    def __init__(self, model: str, setting: PartSetting) -> None:
        """`model`: a Hugging Face folder or a name on the hub."""
        self._options = {"beam": setting.beam}
        transformers = self._load("WhisperForConditionalGeneration", model, setting)
        # English-only models have no language or task tokens.
        many = getattr(self._model.generation_config, "is_multilingual", False)
        self._asked = {"language": "en", "task": "transcribe"} if many else {}
        mels = self._model.config.num_mel_bins
        self._features = transformers.WhisperFeatureExtractor(feature_size=mels)

    def transcribe(self, question: Question) -> Transcription:
        """Transcribe one clip. Raises `RecordError` if it is longer than Whisper's window."""
        samples = load_audio(question.audio)
        seconds = len(samples) / RATE
        if seconds > WINDOW:
            raise RecordError(
                f"{question.audio}: lasts {seconds:.1f} s, Whisper takes at most {WINDOW:.0f} s; cut it, or "
                "use faster-whisper"
            )
        torch = needed("torch", "torch")
        features = self._features(samples, sampling_rate=RATE, return_tensors="pt").input_features
        with torch.inference_mode():
            ids = self._model.generate(features, num_beams=self._options["beam"], **self._asked)[0]
        return Transcription(self._tokenizer.decode(ids, skip_special_tokens=True).strip(), seconds)


class Transcripts:
    """Transcripts, and their times, of existing predictions: for several taggers over one recogniser's
    run.
    """

    parameters = None  # those of the system that wrote the transcripts

    def __init__(self, path: str, setting: PartSetting) -> None:
        """`path`: predictions in any format that `unislu score` reads."""
        if not Path(path).is_file():
            raise BundleNotFoundError(f"transcripts:{path}: no such file; give predictions of a system")
        self._path = Path(path)
        self._answers: dict[str, Prediction] = {found.id: found for found in read_predictions(path)}

    def transcribe(self, question: Question) -> Transcription:
        """Look the clip's transcript up. Raises `RecordError` if it is missing."""
        answer = self._answers.get(question.id)
        if answer is None or answer.text is None:
            raise RecordError(f"{self._path}: has no transcript of {question.id!r}")
        return Transcription(answer.text, answer.duration or question.duration, answer.seconds)

    @property
    def facts(self) -> Mapping[str, Any]:
        """The file."""
        return {"model": self._path.name, "sha256": file_digest(self._path)}
