"""What is refused before anything is heard: bad options, unknown engines, an engine that does not fit."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from unislu.errors import EngineError, OptionError
from unislu.listen import Listener, listen
from unislu.recognition.model import Model, load
from unislu.redact import Redaction, redact_verified
from unislu.result import Analysis
from unislu.sequence import Target, Vocabulary

from .scripted import SCRIPT, ScriptedEngine, manifest

BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"tasks": ("asr", "translate")}, "unknown task 'translate'"),
    ({"tasks": ()}, "no tasks"),
    ({"tasks": "asr"}, "is the string"),
    ({"entities": []}, "entities is empty"),
    ({"entities": "person"}, "is the string"),
    ({"entities": ["person", " "]}, "is empty: name it"),
    ({"entities": ["person", None]}, "is no string: name it"),
    ({"entities": ["x" * 65]}, "65 characters"),
    ({"entities": [f"type {n}" for n in range(501)]}, "501 entity types"),
    ({"entities": ["person"], "tasks": ("asr",)}, "without the task ner"),
    ({"bias": math.nan}, "bias is nan"),
    ({"bias": math.inf}, "bias is inf"),
    ({"bias": "1"}, "bias is '1'"),
    ({"bias": True}, "bias is True"),
    ({"bias": 1e6}, "from -100 to 100"),
    ({"bias": {"person": math.nan}}, "bias of 'person' is nan"),
    ({"bias": {"dragon": 1.0}}, "bias of 'dragon', which is not among the requested types"),
    ({"bias": {"person": 1, "PERSON": 2}}, "duplicate bias"),
    ({"bias": {"person": 1}, "tasks": ("asr",)}, "without the task ner"),
    ({"bias": 2, "tasks": ("sa",)}, "bias without the task ner: it is for entities"),
    ({"mask": True}, "mask without entities"),
    ({"mask": True, "entities": ["person"]}, "not trained to mask"),
    ({"beam": 0}, "beam is 0"),
    ({"beam": 1.5}, "beam is 1.5"),
    ({"beam": 17}, "from 1 to 16"),
    ({"style": "shouting"}, "unknown style 'shouting'"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS, ids=lambda value: str(value)[:30])
def test_bad_options_are_refused_before_audio_is_read(
    model: Model, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        model.analyze("/missing.wav", **options)


async def _first(model: Model, **options: Any) -> None:
    async def chunks() -> Any:
        yield np.zeros(16, np.float32)

    await anext(listen(model, chunks(), **options))


def _redact(model: Model, **options: Any) -> None:
    redaction = Redaction(Analysis(text="so", duration=1.0, model="m", entities=()))
    redact_verified(model, "a.wav", "b.wav", redaction, **options)


CALLS: dict[str, Callable[..., object]] = {
    "analyze": lambda model, **options: model.analyze("/missing.wav", **options),
    "analyze_many": lambda model, **options: model.analyze_many(["/missing.wav"], **options),
    "partial": lambda model, **options: model.partial(np.zeros(9, np.float32), Target("so"), **options),
    "Listener": lambda model, **options: Listener(model, **options),
    "listen": lambda model, **options: asyncio.run(_first(model, **options)),
    "redact_verified": _redact,
}


@pytest.mark.parametrize(("name", "call"), CALLS.items(), ids=CALLS)
def test_an_unknown_option_names_the_call_and_what_there_is(
    model: Model, name: str, call: Callable[..., object]
) -> None:
    with pytest.raises(TypeError, match=rf"^{name}\(\) got .* 'entitys': did you mean 'entities'\?$"):
        call(model, entitys=["person"])
    with pytest.raises(TypeError, match=rf"^{name}\(\) got .* 'foo': choose from .*tasks, .*, vocabulary$"):
        call(model, foo=1)


def test_the_nearest_option_may_be_the_calls_own(model: Model) -> None:
    with pytest.raises(TypeError, match=r"'samplerate': did you mean 'sample_rate'\?"):
        model.analyze(np.zeros(16_000, np.float32), samplerate=16_000)  # type: ignore[call-arg]


def test_engine_and_manifest_must_fit(vocabulary: Vocabulary) -> None:
    engine = ScriptedEngine(vocabulary, SCRIPT)
    engine.vocab_size = 10
    with pytest.raises(EngineError, match="10 tokens, but the manifest"):
        Model(engine, vocabulary, manifest(vocabulary))


def test_load_refuses_unknown_engines_and_threads() -> None:
    with pytest.raises(OptionError, match="unknown engine 'tensorrt'"):
        load(engine="tensorrt")  # type: ignore[arg-type]
    for threads in (0, -1, 1.5, True):
        with pytest.raises(OptionError, match="threads"):
            load(threads=threads)  # type: ignore[arg-type]
