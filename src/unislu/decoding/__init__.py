"""Engine-neutral decoding: from an encoder state to tokens and probabilities."""

from __future__ import annotations

from unislu.decoding.decoder import Decoder
from unislu.decoding.options import Decoded, DecodeOptions
from unislu.decoding.tagging import TaggingDecoder

__all__ = ["DecodeOptions", "Decoded", "Decoder", "TaggingDecoder"]
