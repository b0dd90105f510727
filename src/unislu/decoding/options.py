"""The options of decoding, and its result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unislu.errors import OptionError
from unislu.sequence.phrases import Phrase

Stop = Literal["eot", "length", "repetition"]

TOKENS_PER_SECOND = 14.0
"""Fast English speech has about 5 tokens a second; entity tags and type names double that."""
TOKENS_MARGIN = 24


@dataclass(frozen=True)
class DecodeOptions:
    """How the sequence is searched for.

    Raises `OptionError` for a value out of range.
    """

    beam: int = 1
    """Beam size; 1 is greedy."""
    length_penalty: float = 1.0
    """Finished beams are compared by log-probability / tokens ** this."""
    temperature: float = 0.0
    """0 takes the likeliest token; above 0 tokens are drawn (with `beam=1`)."""
    top_p: float = 1.0
    """Draw from the smallest set of tokens that holds this share of the probability."""
    repetition_penalty: float = 1.0
    """Above 1, tokens that were written before become less likely (Keskar et al., 2019)."""
    seed: int = 0
    """Seed of the draws; the same seed gives the same output."""
    clips: tuple[str, ...] = ()
    """Names of the windows: draws then depend on seed and name, not on a window's place in its batch."""
    bias: float | Mapping[str, float] = 0.0
    """Added to the logit of entity openers: one number, or one by normalised type ("*" = the others)."""
    label_bias: Mapping[str, float] = field(default_factory=dict)
    """Added to the log-probability of sentiment labels, which then add up to 1 again."""
    phrases: tuple[Phrase, ...] = ()
    """Expected phrases, which may be less likely than the model's own choice (`decoding.phrase_search`)."""
    constrained: bool = True
    """Let the grammar mask tokens that would not parse."""
    tokens_per_second: float = TOKENS_PER_SECOND
    """With `tokens_margin` the limit on output tokens, by the audio's duration."""
    tokens_margin: int = TOKENS_MARGIN
    guard_repetition: bool = True
    """Stop when the output begins to loop, and cut the loop off."""
    align: bool = False
    """Also give the alignment of tokens and audio, if the engine has it."""

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise OptionError(f"beam is {self.beam}: give 1 or more")
        if not 0.0 <= self.temperature < math.inf:
            raise OptionError(f"temperature is {self.temperature}: give 0 or a positive number")
        if self.temperature > 0 and self.beam > 1:
            raise OptionError(f"temperature {self.temperature} with beam {self.beam}: draw, or search")
        if self.temperature > 0 and self.phrases:
            raise OptionError(f"temperature {self.temperature} with expected phrases: draw, or search")
        if not 0.0 < self.top_p <= 1.0:
            raise OptionError(f"top_p is {self.top_p}: give a share above 0 and at most 1")
        if not 1.0 <= self.repetition_penalty < math.inf:
            raise OptionError(f"repetition_penalty is {self.repetition_penalty}: give 1 or more")
        if not 0.0 <= self.length_penalty < math.inf:
            raise OptionError(f"length_penalty is {self.length_penalty}: give 0 or a positive number")
        if not 0.0 <= self.tokens_per_second < math.inf or self.tokens_margin < 1:
            raise OptionError(
                f"tokens_per_second {self.tokens_per_second} and tokens_margin {self.tokens_margin}: "
                "allow at least one token"
            )
        biases = self.bias.values() if isinstance(self.bias, Mapping) else (self.bias,)
        for bias in (*biases, *self.label_bias.values()):
            if not math.isfinite(bias):
                raise OptionError(f"bias is {bias}: give a finite number")

    def limit(self, duration: float) -> int:
        """The maximum number of output tokens for `duration` seconds of audio."""
        return self.tokens_margin + math.ceil(self.tokens_per_second * duration)


@dataclass(frozen=True)
class Decoded:
    """The output of one window.

    `ids` are the tokens after the prefix, ready for `Format.parse`: with a task fork its branches
    joined, and after `[SA]` the likeliest label. `logprobs` has the model's own log-probability of
    each (before bias and grammar).
    """

    ids: list[int]
    logprobs: list[float]
    stop: Stop
    sentiment: dict[str, float] | None = field(default=None)
    """The probability of each label, or None when the sentiment was not asked for."""
    alignment: NDArray[np.float32] | None = field(default=None, repr=False)
    """`[tokens, audio]`: how well each of the first `ids` fits each 20 ms (`decoding.alignment`); the last
    row is the end of the transcript. None when it was not asked for or the engine has none."""
