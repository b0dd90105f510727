"""The redaction of a recording: what is covered, and what transcribing the copy reveals.

It transcribes and writes nothing itself, so that a command and a server go through the same steps:

    redaction = Redaction(model.analyze("call.mp3"), ["person"])
    copy "call.mp3" with redaction.covers
    while redaction.goes_on([transcription of the mix, transcription of each channel]):
        copy "call.mp3" with redaction.covers
    hand the copy out if redaction.verified

`redact_verified` does so with a model and a file. `covers` decide the sound and the text alike (`places`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from ..errors import RedactionError, VerificationError
from ..recognition.request import Request, RequestOptions
from ..result import Analysis
from .audio import DEFAULT_GUARD, RedactedAudio, check_guard, redact_audio
from .cover import write_without_tone
from .leaks import Leak, entity_leaks, failed_leaks, phrase_leaks, word_leaks
from .matches import Phrase, Span, check_untimed, chosen, find_matches, merged, phrases_of
from .phrases import Text
from .places import UNRECOGNISED, Hidden, at, covers_of, hidden_in, masked
from .text import Pseudonyms, apply

if TYPE_CHECKING:
    from ..recognition.model import Model

REDACT_BIAS = 2.0
"""What is redacted is looked for with this bias where no other is named: a name that stays costs more than a
word too many (docs/how-to/redact.md says how many)."""
TRIES = 5
"""How often a recording is redacted and verified before giving up."""
LONGER = 0.5
"""Seconds by which a copy may differ from the original: codecs add some milliseconds at the ends."""
_ENOUGH = 0.5
"""Share of the words outside of the covers that the second transcription must have to verify the copy."""
_FEW = 3


class Redaction:
    """What to redact in one recording.

    `matches`: the parts of its transcript that must not remain. `covers`: what is covered, (start, end) in
    seconds. `leaks`: what was still recognised in the last copy. `transcriptions`: number of
    copies transcribed.
    """

    def __init__(
        self,
        analysis: Analysis,
        types: Sequence[str] | None = None,
        *,
        untimed: str = "refuse",
        guard: float = DEFAULT_GUARD,
        surnames: bool = True,
        sound: bool = True,
    ) -> None:
        """`types`, `surnames`: as for `find_matches`; `untimed`: as for `audio_spans`; `guard`: seconds
        covered around each place; `sound`: False when there will be no copy, so that the text alone counts.

        Raises `OptionError` for an invalid option.
        """
        check_untimed(untimed)
        check_guard(guard)
        self.analysis = analysis
        self.matches = find_matches(analysis, types, surnames=surnames)
        self.leaks: tuple[Leak, ...] = ()
        self.transcriptions = 0
        self._types, self._untimed, self._guard, self._sound = types, untimed, guard, sound
        self._phrases = phrases_of(self.matches, surnames)
        self._leaked: list[Hidden] = []

    @property
    def covers(self) -> tuple[Span, ...]:
        """The covered seconds: `spans` with the guard around them, without gaps too short for a word.

        Raises as `spans` does.
        """
        return covers_of(self.analysis, self._places(), self._guard)

    @property
    def spans(self) -> tuple[Span, ...]:
        """The times of what must not remain, in seconds, without the guard.

        Raises `RedactionError` as `audio_spans` does, and if no speech was found: then the content of the
        recording is unknown.
        """
        return tuple(place.span for place in self._places())

    @property
    def verified(self) -> bool:
        """Whether something was redacted, a copy was transcribed, and nothing redacted was found in it."""
        return self._has_found and self.transcriptions > 0 and not self.leaks

    def redacted(self, pseudonyms: Pseudonyms, notes: Sequence[str] = ()) -> Analysis:
        """The transcript; what later transcriptions brought to light is redacted too.

        Every word is masked that has no sound left in the copy, and no other. Its warnings tell what was
        redacted, the `notes` of the copy, and whether the copy was verified.

        Raises as `spans` does, if there is sound.
        """
        matches = self.matches
        if self._sound:
            places = self._places()
            covers = covers_of(self.analysis, places, self._guard)
            matches = masked(self.analysis, matches, places, covers)
        result = apply(self.analysis, matches, pseudonyms, self.matches)
        if self.verified:
            said = "verified: the copy was transcribed again, and no redacted phrase was found in it"
            notes = (*notes, said)
        elif self.transcriptions and not self._has_found:
            notes = (*notes, "not verified: there was nothing to look for")
        return replace(result, warnings=(*result.warnings, *notes))

    def goes_on(self, again: Sequence[Analysis]) -> bool:
        """Check the transcriptions of a copy; returns whether `spans` grew, so that another copy is
        needed.

        Args:
            again: of the mixed channels first, then of each channel separately if there are several.

        Raises `VerificationError` if they cannot verify the copy.
        """
        self._check(again[0])
        covered = self.covers
        found = {leak for one in again for leak in self._leaks(one, covered)}
        self.leaks = tuple(sorted(found, key=lambda leak: (leak.start, leak.end, leak.type)))
        self.transcriptions += 1
        if not self.leaks or self.transcriptions >= TRIES:
            return False
        for leak in self.leaks:
            wide = leak.wider(self.transcriptions)
            self._leaked.append(at(self.analysis, (leak.start, leak.end), wide, leak.type))
        text = Text(self.analysis.text or "")
        new = [Phrase(leak.phrase, leak.type, leak.phrase) for leak in self.leaks if leak.phrase]
        said = [match for phrase in new for match in phrase.places(text)]
        self.matches = merged([*self.matches, *said], text.text)
        self._phrases += [phrase for phrase in new if phrase not in self._phrases]
        return True

    def refuse_leaks(self) -> None:
        """Raises `VerificationError` if something was still recognised in the last copy."""
        if self.leaks:
            shown = ", ".join(map(str, self.leaks[:5])) + (" and more" if len(self.leaks) > 5 else "")
            raise VerificationError(
                f"{self._name}: still recognised after redaction: {shown}; nothing was written: try a "
                "longer --guard"
            )

    @property
    def _name(self) -> str:
        return self.analysis.file or "audio"

    def _leaks(self, again: Analysis, covered: Sequence[Span]) -> Iterable[Leak]:
        yield from phrase_leaks(again, self._phrases)
        yield from word_leaks(again, self._places(), self.analysis)
        yield from entity_leaks(chosen(again, self._types), again, covered)
        yield from failed_leaks(again, covered)

    def _places(self) -> list[Hidden]:
        if not (self.analysis.text or "").strip():
            raise RedactionError(
                f"{self._name}: no speech was found in {self.analysis.duration:.1f} s, so its content is "
                "unknown and nothing was written: transcribe all of it (--vad energy)"
            )
        return [*hidden_in(self.analysis, self.matches, self._untimed), *self._leaked]

    @property
    def _has_found(self) -> bool:
        """Whether anything was found that a copy could leak."""
        return bool(self.matches) or any(place.type != UNRECOGNISED for place in self._leaked)

    def _check(self, again: Analysis) -> None:
        """Raises `VerificationError` if the second transcription is of another recording, or nearly empty."""
        if abs(again.duration - self.analysis.duration) > LONGER:
            raise VerificationError(
                f"{self._name}: the copy has {again.duration:.1f} s of {self.analysis.duration:.1f} s; "
                "nothing was written: convert the recording first, e.g. to FLAC"
            )
        covered = self.covers
        words = [word for segment in self.analysis.segments for word in segment.words or ()]
        left = [w for w in words if not any(w.start < high and w.end > low for low, high in covered)]
        recognised = len((again.text or "").split())
        if len(left) >= _FEW and recognised < _ENOUGH * len(left):
            raise VerificationError(
                f"{self._name}: {recognised} of {len(left)} words outside of what is covered were recognised "
                "again, too few to verify the copy; nothing was written: transcribe all of it (--vad "
                "energy)"
            )


def redact_verified(
    model: Model,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    redaction: Redaction,
    how: str = "beep",
    *,
    name: str | None = None,
    request: Request | None = None,
    **options: Unpack[RequestOptions],
) -> RedactedAudio:
    """Write a redacted recording and transcribe it again; what is still recognised is covered too, and
    checked again.

    This finds names that the first transcription missed in one place and found in another.

    Args:
        model: what transcribed the original.
        source: as for `redact_audio`.
        target: as for `redact_audio`.
        redaction: what to redact. `redaction.leaks` holds what `TRIES` attempts could not remove; do not hand
            out a recording that has any.
        how: as for `redact_audio`.
        name: as for `redact_audio`.
        request: as for `Model.analyze`, the same as for the original.
        options: as for `Model.analyze`, the same as for the original.

    Raises:
        RedactionError: as for `redact_audio`.
        VerificationError: as for `Redaction.goes_on`.
        EngineError: as for `Model.analyze`.
    """
    request = Request.of(request, options, redact_verified)
    while True:
        duration = redaction.analysis.duration
        copy = redact_audio(source, target, redaction.covers, how, 0.0, duration=duration, name=name)
        if not redaction.goes_on(_transcribed(model, target, request)):
            return copy


def _transcribed(model: Model, audio: str | os.PathLike[str], request: Request) -> list[Analysis]:
    """Analyse a redacted copy mixed, and each of its channels separately if there are several."""
    with tempfile.TemporaryDirectory(prefix="unislu-") as folder:
        copy = os.path.join(folder, "copy.wav")
        ways = ("mix",) if write_without_tone(audio, copy) == 1 else ("mix", "split")
        return [model.analyze(copy, request=replace(request, channels=way), name=str(audio)) for way in ways]
