"""Text fields of a request → options; errors name the field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin
from urllib.parse import unquote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..errors import OptionError
from ..recognition.request import TASKS, Request
from ..recognition.written import read_bias
from ..redact import REDACT_BIAS
from ..sequence.phrases import Phrase
from .answers import ApiError
from .expected import BOOSTS, Boost, Keyterms, KeytermsPrompt, Keywords, Phrases, WordBoost, names_of

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
_INDEX = re.compile(r"\[\d*\]$")
Format = Literal[
    "json", "txt", "srt", "vtt", "html", "conll", "rttm", "textgrid", "elan", "label-studio", "deepgram",
    "assemblyai",
]  # fmt: skip
FORMATS: tuple[str, ...] = get_args(Format)
_AS_IN_REQUESTS = (
    "entities", "operating_point", "beam", "style", "words", "channels", "vad", "speakers", "values", "date",
    "region",
)  # fmt: skip
"""Fields that a `Request` has too, with the same values."""


def _voices(value: Any) -> Any:
    """A JSON object of embeddings, by name."""
    found = json.loads(value)
    if not isinstance(found, dict) or not all(isinstance(row, list) for row in found.values()):
        raise ValueError("give an object of embeddings, by name")
    return found


def _bias(value: Any) -> Any:
    """One number, `type=number,…`, or a JSON object."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return json.loads(value)
    return read_bias(value)


Names = Annotated[list[str], BeforeValidator(names_of)]
Bias = Annotated[float | dict[str, float], BeforeValidator(_bias)]
Voices = Annotated[dict[str, tuple[float, ...]], BeforeValidator(_voices)]


class FormOptions(BaseModel):
    """The options of every route with audio."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(None, description="a name from /v1/models; default: the server's first model")
    tasks: Names | None = Field(
        None,
        description="asr (transcript), ner (entities), sa (sentiment), with commas; default: all three",
    )
    entities: Names | None = Field(
        None,
        description="entity types to look for, of any name, also described (`drug: a medicine's name`), "
        "and presets (pii, pci, phi, meeting, news); default: the closed set of the model",
        examples=["person,drug"],
    )  # fmt: skip
    bias: Bias | None = Field(
        None,
        description="above 0 more entities, below 0 fewer, more certain ones: a number, or person=2,org=-1; "
        "default: 0, or 2 if something is redacted",
    )
    operating_point: str | None = Field(None, description="a named bias of the model; not with `bias`")
    vocabulary: Phrases | None = Field(
        None,
        description="names and words to expect: lines of PHRASE or PHRASE<tab>WEIGHT<tab>TYPE, or JSON",
        examples=["Kowalczyk\nZyloprim"],
    )
    keywords: Keywords | None = Field(
        None, description="as Deepgram's: words to expect, WORD:INTENSIFIER", examples=["Kowalczyk:2"]
    )
    keyterm: Keyterms | None = Field(None, description="as Deepgram's: words and phrases to expect")
    word_boost: WordBoost | None = Field(None, description="as AssemblyAI's: words and phrases to expect")
    boost_param: Boost | None = Field(None, description="as AssemblyAI's: how strongly `word_boost` counts")
    keyterms_prompt: KeytermsPrompt | None = Field(
        None, description="as AssemblyAI's: words and phrases to expect"
    )
    beam: int = Field(1, description="beam size; 1 is greedy", ge=1, le=16)
    style: Literal["cased", "normalized"] = "cased"
    words: bool = Field(True, description="whether words get times")
    channels: Literal["mix", "split"] = Field("mix", description="split transcribes each channel separately")
    vad: Literal["auto", "silero", "energy"] = Field("auto", description="how speech is detected")
    speakers: str | None = Field(
        None, description="tell speakers apart: auto, their number, or off", examples=["auto", "2"]
    )
    speaker_names: Names | None = Field(
        None, description="names of the speakers, in the order in which they begin to speak"
    )
    voice_names: Names | None = Field(
        None, description="names of known voices, in the order of their clips, the parts `voice`"
    )
    voices: Voices | None = Field(
        None, description="known voices as embeddings by name (JSON), in place of clips"
    )
    values: bool = Field(False, description="give entities their value: dates as ISO 8601, amounts, …")
    date: str | None = Field(
        None, description="with values: when it was said, ISO 8601; default: now", examples=["2026-03-18"]
    )
    region: str | None = Field(None, description="with values: the speaker's country", examples=["US"])

    @property
    def redacts(self) -> bool:
        """Whether what is found is masked."""
        return False

    def _bias(self) -> float | dict[str, float]:

        if self.bias is not None:
            return self.bias
        return REDACT_BIAS if self.redacts and self.operating_point is None else 0.0

    def _expected(self) -> list[Phrase] | None:
        """All phrases; None if there are none. Of a phrase in several fields the first weight counts.

        Raises `OptionError`: there is nothing that `boost_param` could be for.
        """
        if self.boost_param is not None and not self.word_boost:
            raise OptionError("boost_param without word_boost: list the words that it is for, or drop it")
        weight = BOOSTS[self.boost_param or "default"]
        boosted = [phrase._replace(weight=weight) for phrase in self.word_boost or ()]
        found: dict[str, Phrase] = {}
        for phrases in (self.vocabulary, self.keywords, self.keyterm, boosted, self.keyterms_prompt):
            for phrase in phrases or ():
                found.setdefault(phrase.text, phrase)
        return list(found.values()) or None

    def request(self) -> Request:
        """The request to the model. Raises `OptionError`."""
        if self.voice_names:  # where clips came with them, `voices` has both
            raise OptionError("voice_names without clips: send a clip for each name as the part `voice`")
        return Request(
            tasks=TASKS if self.tasks is None else self.tasks,
            bias=self._bias(),
            vocabulary=self._expected(),
            speaker_names=self.speaker_names or (),
            voices=self.voices or {},
            **{name: getattr(self, name) for name in _AS_IN_REQUESTS},
        )


class AnalyzeForm(FormOptions):
    """Fields of /v1/analyze and /v1/jobs."""

    format: Format = Field(
        "json", description="json is unislu's schema; deepgram and assemblyai are like theirs"
    )
    redact: Names | None = Field(
        None, description="entity types to mask in the result, everywhere; `all` masks every type"
    )
    redact_how: Literal["mask", "type", "hash"] = Field("type", description="what replaces them")

    @property
    def redacts(self) -> bool:
        return self.redact is not None


class RedactForm(FormOptions):
    """Fields of /v1/redact."""

    types: Names | None = Field(
        None,
        description="entity types to mask; default: all that are found. They are also the types to look for, "
        "unless `entities` is given",
    )
    preset: str | None = Field(None, description="pii, pci or phi: adds the preset's types")
    surnames: bool = Field(True, description="also mask a surname on its own if the full name was masked")
    how: Literal["mask", "type", "hash"] = Field("type", description="what replaces the words in the text")
    audio: Literal["beep", "silence"] = Field("beep", description="what covers the words in the audio")
    guard: float = Field(0.15, ge=0, le=2, description="seconds covered before and after an entity")
    untimed: Literal["refuse", "segment"] = Field(
        "refuse", description="if the words of an entity have no times: refuse, or cover the whole segment"
    )
    verify: bool = Field(
        True, description="transcribe the redacted audio again and look for what was redacted"
    )
    output: Literal["json", "audio", "text"] = Field(
        "json",
        description="json: text, entities and the audio as base64; audio: the recording; text: masked",
    )

    @property
    def redacts(self) -> bool:
        return True


def parse_form(model: type[M], pairs: Sequence[tuple[str, str]]) -> M:
    """Fields as a form; fields with lists may be repeated, see `plain_name`. Raises `ApiError` naming the
    field.
    """
    values: dict[str, Any] = {}
    for sent, value in pairs:
        name = plain_name(sent)
        if _is_list(model, name):
            values.setdefault(name, []).append(value)
        elif name in values:
            raise ApiError(400, f"{name} was sent twice", code="invalid_value", param=name[:60])
        else:
            values[name] = value
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _refusal(error, model) from None
    except (ValueError, RecursionError) as error:
        raise ApiError(400, str(error), code="invalid_value") from None


def plain_name(name: str) -> str:
    """The field name behind `name`, `name[]`, `name[0]` and `name%5B%5D`, the ways in which clients send
    lists.
    """
    return _INDEX.sub("", unquote(name))


def read_field_names(field: str, values: Sequence[str]) -> list[str]:
    """The names in the values of a field. Raises `ApiError`."""
    try:
        return list(names_of(values))
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"{field}: {error}", code="invalid_value", param=field) from None


def _is_list(model: type[BaseModel], name: str) -> bool:
    item = model.model_fields.get(name)
    return item is not None and any(
        get_origin(part) is list or part is list for part in _parts(item.annotation)
    )


def _parts(annotation: Any) -> list[Any]:
    """The alternatives of an annotation, without `Annotated`."""
    found = []
    for part in getattr(annotation, "__args__", None) or [annotation]:
        found.append(getattr(part, "__origin__", part) if hasattr(part, "__metadata__") else part)
    return [*found, annotation]


def _refusal(error: ValidationError, model: type[BaseModel]) -> ApiError:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    shown = repr(first.get("input"))[:80]
    if first["type"] == "extra_forbidden":
        known = ", ".join(model.model_fields)
        message = f"unknown field {name[:60]!r}: known fields are file, {known}"
        return ApiError(400, message, code="unknown_field", param=name[:60])
    if first["type"] == "missing":
        return ApiError(400, f"you must provide {name}", code="missing_field", param=name)
    message = first["msg"].removeprefix("Value error, ")
    if not message.startswith((f"{name}:", f"{name},", f"{name} ")):  # it does not say where
        message = f"{name} is {shown}: {message}"
    return ApiError(400, message, code="invalid_value", param=name)


def form_schema(model: type[BaseModel], raw: bool = False) -> Mapping[str, Any]:
    """The request body for OpenAPI: the file and the form's fields."""
    schema = model.model_json_schema()
    properties: dict[str, Any] = {
        "file": {"type": "string", "format": "binary", "description": "audio or video"}
    }
    if "voice_names" in model.model_fields:
        clips = {"type": "string", "format": "binary"}
        text = "clips of known voices, 1.3 to 60 seconds each, in the order of `voice_names`"
        properties["voice"] = {"type": "array", "items": clips, "description": text}
    properties |= schema.get("properties", {})
    form = {"type": "object", "properties": properties, "required": ["file", *schema.get("required", [])]}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if raw:
        content["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
    return {"requestBody": {"required": True, "content": content}}
