"""A baseline: a recogniser, then optionally a tagger and a sentiment classifier, as one system."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unislu.errors import BundleNotFoundError, OptionError, UnisluError
from unislu.evaluation.baselines import classifiers, recognizers, taggers
from unislu.evaluation.baselines.parts import PartSetting, shown
from unislu.evaluation.question import Prediction, Question

Opener = Callable[[str, PartSetting], Any]
RECOGNIZERS: Mapping[str, Opener] = {
    "faster-whisper": recognizers.FasterWhisper,
    "whisper": recognizers.TransformersWhisper,
    "transcripts": recognizers.Transcripts,
}
TAGGERS: Mapping[str, Opener] = {
    "spacy": taggers.Spacy,
    "gliner": taggers.Gliner,
    "nuner": taggers.Nuner,
    "gner": taggers.Gner,
}
CLASSIFIERS: Mapping[str, Opener] = {
    "vader": classifiers.Vader,
    "sentiment": classifiers.TransformersSentiment,
}
DEFAULT_MODELS = {
    "spacy": "en_core_web_sm",
    "gliner": "urchade/gliner_large-v2.1",
    "nuner": "numind/NuNER_Zero",
    "gner": "dyyyyyyyy/GNER-T5-base",
    "sentiment": "cardiffnlp/twitter-roberta-base-sentiment-latest",
    "whisper": "openai/whisper-base",
    "faster-whisper": "base",
}
"""The models of parts without one: names on the hub, or of an installed spaCy pipeline."""


@dataclass(frozen=True)
class Baseline:
    """A pipeline; it satisfies `unislu.evaluation.question.System`. Without a tagger or a classifier it gives
    no entities or sentiments.
    """

    name: str
    """The name in reports."""
    recognizer: recognizers.FasterWhisper | recognizers.TransformersWhisper | recognizers.Transcripts
    tagger: taggers.Spacy | taggers.Gliner | taggers.Gner | None = None
    classifier: classifiers.Vader | classifiers.TransformersSentiment | None = None

    @property
    def facts(self) -> Mapping[str, Any]:
        """The parts' facts and the sum of their weights (None if one is not known)."""
        parts = [part for part in (self.recognizer, self.tagger, self.classifier) if part is not None]
        counts = [part.parameters for part in parts]
        known = [count for count in counts if count is not None]
        about = {type(part).__name__: dict(part.facts) for part in parts}
        return {"parts": about, "parameters": sum(known) if len(known) == len(counts) else None}

    def answers(self, questions: Sequence[Question]) -> Iterator[Prediction]:
        """One clip after the other; `seconds` includes all parts and reading the audio."""
        for question in questions:
            yield self._answer(question)

    def _answer(self, question: Question) -> Prediction:
        start = time.perf_counter()
        transcription = self.recognizer.transcribe(question)
        before = transcription.seconds  # of a transcript from another run
        entities = None
        if "ner" in question.tasks and self.tagger is not None:
            entities = self.tagger.tag(transcription.text, question.types) if transcription.text else ()
        label, scores = None, None
        if "sa" in question.tasks and self.classifier is not None and transcription.text:
            label, scores = self.classifier.label(transcription.text)
        seconds = time.perf_counter() - start + (before or 0.0)
        return Prediction(
            question.id,
            transcription.text,
            entities,
            label,
            scores,
            duration=transcription.duration,
            seconds=seconds,
        )


def is_baseline(specification: str) -> bool:
    """Whether a system's name is the specification of a baseline rather than a bundle."""
    return specification.partition("+")[0].partition(":")[0] in RECOGNIZERS


def open_baseline(specification: str, setting: PartSetting | None = None) -> Baseline:
    """Open `RECOGNISER[:MODEL][+TAGGER[:MODEL]][+CLASSIFIER[:MODEL]]`.

    Raises:
        OptionError: an unknown part, two of a kind, or no recogniser in front.
        MissingDependencyError: a part's package is not installed.
        BundleNotFoundError: a part's model cannot be loaded.
    """
    chosen: dict[str, tuple[str, str]] = {}
    for number, text in enumerate(specification.split("+")):
        name, _, model = text.strip().partition(":")
        kind = _kind(name, specification)
        if (number == 0) != (kind == "recogniser"):
            raise OptionError(f"baseline {specification!r}: begin with one recogniser, e.g. {_EXAMPLE}")
        if kind in chosen:
            raise OptionError(f"baseline {specification!r}: {name!r} is a second {kind}; give one")
        chosen[kind] = (name, model or DEFAULT_MODELS.get(name, ""))
    setting = setting or PartSetting()
    return Baseline(
        " → ".join(f"{name} {shown(model)}" if model else name for name, model in chosen.values()),
        _open(RECOGNIZERS, chosen["recogniser"], setting),
        _open(TAGGERS, chosen.get("tagger"), setting),
        _open(CLASSIFIERS, chosen.get("classifier"), setting),
    )


_EXAMPLE = "faster-whisper:base+spacy+vader"


def _kind(name: str, specification: str) -> str:
    kinds = {"recogniser": RECOGNIZERS, "tagger": TAGGERS, "classifier": CLASSIFIERS}
    for kind, known in kinds.items():
        if name in known:
            return kind
    every = ", ".join(name for known in kinds.values() for name in known)
    raise OptionError(f"baseline {specification!r}: unknown part {name!r}; the parts are {every}")


def _open(openers: Mapping[str, Opener], chosen: tuple[str, str] | None, setting: PartSetting) -> Any:
    if chosen is None:
        return None
    name, model = chosen
    try:
        return openers[name](model, setting)
    except UnisluError:
        raise
    except (OSError, ValueError) as error:  # what the packages raise for a model that they cannot load
        reason = " ".join(str(error).split())[:200]
        raise BundleNotFoundError(
            f"{name}:{model}: cannot be loaded ({reason}); check the name and the network, or give a folder"
        ) from None
