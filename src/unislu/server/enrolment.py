"""Clips of known voices in a request → the embeddings that the model's request needs."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from ..audio import load_audio
from ..errors import AudioError
from ..speakers import profile
from ..speakers.options import checked_names
from .answers import ApiError
from .decoding import DecoderPool
from .forms import plain_name, read_field_names
from .uploads import CLIPS, REFERENCES, Form, Upload

NAMES, OPENAI_NAMES = "voice_names", "known_speaker_names"
CLIPS_OF = {NAMES: CLIPS, OPENAI_NAMES: REFERENCES}
VOICES = "voices"
MAX_CLIP_SECONDS = 60.0

_DATA_URL = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)


async def enrol(form: Form, decoders: DecoderPool, folder: Path) -> list[tuple[str, str]]:
    """The fields of a form, with the embeddings of its clips in place of their names. Raises `ApiError`, and
    `OptionError` for bad names.
    """
    sent = {field: _values(form, field) for field in (NAMES, OPENAI_NAMES, REFERENCES)}
    if not form.clips and not any(sent.values()):
        return form.fields
    references = [from_data_url(text, folder) for text in sent[REFERENCES]]
    found: dict[str, list[float]] = {}
    for field, clips in ((NAMES, form.clips), (OPENAI_NAMES, references)):
        names = read_field_names(field, sent[field])
        found |= await _described(names, clips, decoders, folder, field)
    return [*(pair for pair in form.fields if plain_name(pair[0]) not in sent), (VOICES, json.dumps(found))]


def _values(form: Form, field: str) -> list[str]:
    return [value for name, value in form.fields if plain_name(name) == field]


async def _described(
    names: Sequence[str], clips: Sequence[Upload], decoders: DecoderPool, folder: Path, field: str
) -> dict[str, list[float]]:
    """The embedding of each clip by its name. `field`: what the names were sent as."""
    param = CLIPS_OF[field]
    if len(names) != len(clips):
        message = f"{len(names)} {field} and {len(clips)} {param}: give each clip its name, in their order"
        raise ApiError(400, message, code="invalid_value", param=field)
    found = {}
    for name, clip in zip(checked_names(names), clips, strict=True):
        try:
            found[name] = await _voice(f"the voice of {name}", clip, decoders, folder)
        except ApiError as error:
            error.param = param
            raise
    return found


async def _voice(name: str, clip: Upload, decoders: DecoderPool, folder: Path) -> list[float]:
    decoded = await decoders.decode(
        clip.path, folder / f"{clip.path.name}.wav", name, longest=MAX_CLIP_SECONDS
    )
    try:
        voice = await asyncio.to_thread(lambda: profile(load_audio(decoded.path), name))
    except AudioError as error:
        raise ApiError(400, str(error), code="invalid_audio") from None
    finally:
        decoded.path.unlink()
    return [round(float(value), 6) for value in voice]


def from_data_url(text: str, folder: Path) -> Upload:
    """The clip in a `data:audio/…;base64,…` URL, as a file. Raises `ApiError`."""
    begin = _DATA_URL.match(text[:200])
    try:
        data = base64.b64decode(text[begin.end() :], validate=True) if begin else b""
    except (binascii.Error, ValueError):
        data = b""
    if not data:
        message = f"{REFERENCES}: {text[:40]!r} is no data URL with a clip: send data:audio/wav;base64,…"
        raise ApiError(400, message, code="invalid_value", param=REFERENCES)
    path = folder / f"clip-{secrets.token_hex(8)}"
    path.write_bytes(data)
    return Upload(path, REFERENCES, len(data))
