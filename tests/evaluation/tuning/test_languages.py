"""Other languages: the language's token goes into the prompt."""

from __future__ import annotations

from pathlib import Path

import pytest

from unislu.errors import OptionError
from unislu.evaluation.curves.languages import ask_language
from unislu.evaluation.predict import questions, read_datasets
from unislu.evaluation.sweep import RecordClip, sweep
from unislu.recognition.recognizer import Recognizer
from unislu.sequence import normalize_type


def test_the_models_own_language_gives_what_a_sweep_gives(
    recognizer: Recognizer, clips: list[RecordClip], manifest: Path
) -> None:
    asked = questions(read_datasets([manifest])[0], "closed")
    found = ask_language(recognizer, clips, asked, "en")
    swept = sweep(recognizer, clips, [0.0]).predictions(0)
    assert [(p.text, p.entities) for p in found] == [(p.text, p.entities) for p in swept]
    assert any(p.entities for p in found)


def test_each_clip_is_asked_for_its_own_types(
    recognizer: Recognizer, clips: list[RecordClip], manifest: Path
) -> None:
    asked = questions(read_datasets([manifest])[0], "open")
    assert len({question.types for question in asked}) > 1
    for question, answer in zip(asked, ask_language(recognizer, clips, asked, "en"), strict=True):
        assert {normalize_type(name) for name, _ in answer.entities or ()} <= set(question.types or ())


def test_a_language_without_a_token(recognizer: Recognizer, clips: list[RecordClip]) -> None:
    with pytest.raises(OptionError, match="language 'tlh': the model has no token"):
        ask_language(recognizer, clips, [], "tlh")
