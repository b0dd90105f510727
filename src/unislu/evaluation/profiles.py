"""Text normalisation before comparing: the profile that every report names.

`slue` is the normalisation of the SLUE benchmark's `normalized_text`; `unislu` puts both sides through
Whisper's English normaliser, so that "article twenty one" equals "article 21"; `whisperner` is what
WhisperNER's published code does before it counts word errors. Scores under different profiles do not compare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from unislu.errors import OptionError, needs

PROFILES = ("slue", "unislu", "whisperner")

# The wheel adds four informal rules to OpenAI's list, and one of them turns the noun "cause" into
# "because". Without them it gives what openai/whisper and transformers give.
_ADDED_BY_THE_WHEEL = (r"\bkinda\b", r"\bsorta\b", r"\bdunno\b", r"\bcause\b")


@dataclass(frozen=True)
class Profile:
    """A named text normalisation; calling it normalises one text or phrase."""

    name: str
    normalize: Callable[[str], str]

    def __call__(self, text: str) -> str:
        return " ".join(self.normalize(text).split())

    def words(self, text: str) -> list[str]:
        """The words to align for the word error rate."""
        return self(text).split()


def profile(name: str) -> Profile:
    """Returns the profile of that name, one of `PROFILES`.

    Raises:
        OptionError: there is no such profile.
        MissingDependencyError: `unislu` or `whisperner` was requested, but its normaliser is not installed.
    """
    if name not in PROFILES:
        raise OptionError(f"unknown profile {name!r}: choose one of {', '.join(PROFILES)}")
    makers = (_slue_normalizer, _whisper_normalizer, _whisperner_normalizer)
    return Profile(name, makers[PROFILES.index(name)]())


def _slue_normalizer() -> Callable[[str], str]:
    from unislu.recognition.style import normalize  # not above: the command line reads the names alone

    return lambda text: normalize(text, ())[0]


@lru_cache(maxsize=1)
def _whisper_normalizer() -> Callable[[str], str]:
    with needs("the profile `unislu`", "eval"):
        from whisper_normalizer.english import EnglishTextNormalizer
    normalizer = EnglishTextNormalizer()
    for rule in _ADDED_BY_THE_WHEEL:
        normalizer.replacers.pop(rule, None)
    # The same phrases come back for every prediction; normalising is the slowest part of scoring.
    return lru_cache(maxsize=65_536)(normalizer)


@lru_cache(maxsize=1)
def _whisperner_normalizer() -> Callable[[str], str]:
    """Lower case, contractions expanded, what stands in brackets and punctuation removed, in this order."""
    with needs("the profile `whisperner`", "eval"):
        from jiwer import transforms
    steps = transforms.Compose(
        [
            transforms.ToLowerCase(),
            transforms.ExpandCommonEnglishContractions(),
            transforms.RemoveKaldiNonWords(),
            transforms.RemovePunctuation(),  # type: ignore[no-untyped-call]
        ]
    )
    # Contractions are known with the typewriter's apostrophe only; the published code loses the others.
    return lru_cache(maxsize=65_536)(lambda text: str(steps(text.replace("’", "'"))))
