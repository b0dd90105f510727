"""Text with SLUE's inline entity symbols as units of a CTC model: characters, an opener a type, one closer.

The rules are SLUE's: an opener inside an open entity discards the earlier one, and what is not closed at the
end is dropped. Text is `normalized_text`, as the benchmark's models are trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from unislu.errors import RecipeError
from unislu.recognition.style import normalize
from unislu.sequence import Target
from unislu.sequence.reader import Parsed, Reader, segments

BLANK = 0
"""The unit that writes nothing."""


@dataclass(frozen=True)
class CtcText:
    """The units of a model: blank, `characters`, an opener for each of `types`, the closer."""

    characters: tuple[str, ...]
    types: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str], types: Sequence[str]) -> CtcText:
        """The units for a corpus: blank, apostrophe, a to z, and whatever else its texts have."""
        found = set(" 'abcdefghijklmnopqrstuvwxyz").union(*(normalize(text, ())[0] for text in texts))
        return cls(tuple(sorted(found)), tuple(types))

    @property
    def size(self) -> int:
        """Number of units."""
        return 1 + len(self.characters) + len(self.types) + 1

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {character: 1 + number for number, character in enumerate(self.characters)}

    @cached_property
    def _openers(self) -> dict[str, int]:
        return {name: 1 + len(self.characters) + number for number, name in enumerate(self.types)}

    def unit(self, character: str) -> int | None:
        """The unit of a character."""
        return self._numbers.get(character)

    def encode(self, target: Target) -> tuple[int, ...]:
        """The units of a target's normalised text and entities.

        Raises:
            RecipeError: a character has no unit.
        """
        text, spans, _ = normalize(target.text, target.entities or ())
        units: list[int] = []
        for piece, span in segments(Target(text, spans)):
            words = piece.lstrip(" ")
            units += self._text(piece[: len(piece) - len(words)] if units else "")
            if span is None:
                units += self._text(words)
            else:
                units += [self._openers[span.type], *self._text(words), self.size - 1]
        return tuple(units)

    def parse(self, units: Sequence[int]) -> Parsed:
        """Read any units (repeats and blanks already gone). Never raises."""
        reader = Reader(len(units))
        names = {number: name for name, number in self._openers.items()}
        for place, unit in enumerate(units):
            if 0 < unit <= len(self.characters):
                reader.text(place, self.characters[unit - 1].encode())
            elif unit in names:
                reader.open(place, names[unit])
            elif unit == self.size - 1:
                reader.close(place)
        reader.discard(len(units))
        return reader.finish(True, None, None)

    def to_manifest(self) -> dict[str, Any]:
        """Plain data for `from_manifest`."""
        return {"characters": list(self.characters), "types": list(self.types)}

    @classmethod
    def from_manifest(cls, values: dict[str, Any]) -> CtcText:
        """The units that `to_manifest` described."""
        return cls(tuple(values["characters"]), tuple(values["types"]))

    def _text(self, text: str) -> list[int]:
        unknown = [character for character in text if character not in self._numbers]
        if unknown:
            raise RecipeError(f"the model has no unit for the character {unknown[0]!r} of {text!r}")
        return [self._numbers[character] for character in text]
