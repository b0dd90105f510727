"""Decoding with two sets of weights: one writes the transcript, the other tags it.

The first decoder writes the transcript without knowing the request, so the transcript never depends on it.
The tagger attends to the same audio and writes the same words again after its own prefix, which holds the
open types as in WhisperNER; the words are forced, and it chooses only the tags. The sentiment is read after
the words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unislu.decoding.copying import write_copy
from unislu.decoding.decoder import Decoder
from unislu.decoding.labels import reweighed
from unislu.decoding.options import Decoded, DecodeOptions
from unislu.decoding.phrase_tags import TagReward, expected_entities
from unislu.decoding.processors import Processor, Suppression, bias_processors
from unislu.decoding.repetition import no_loop
from unislu.decoding.search import Rules, Written, greedy
from unislu.engines.protocol import DecoderState, EncoderState, Engine, Tagger
from unislu.errors import OptionError
from unislu.sequence.format import Format
from unislu.sequence.inline import InlineFormat
from unislu.sequence.prompt import Prompt, whisper_prefix
from unislu.sequence.vocabulary import END, SA, TRANSCRIPT_END, Vocabulary


@dataclass(frozen=True)
class _Tagged:
    """A transcript with tags: for each token the word it copies, None for a tag."""

    ids: list[int]
    logprobs: list[float]
    places: list[int | None]
    complete: bool


class TaggingDecoder:
    """As `Decoder`, with an engine that has a tagger. Formats are those that tag inside the transcript."""

    def __init__(
        self,
        engine: Engine,
        tagger: Tagger,
        vocabulary: Vocabulary,
        suppression: Suppression | None = None,
    ) -> None:
        self._engine, self._tagger, self._vocabulary = engine, tagger, vocabulary
        self._transcriber = Decoder(engine, vocabulary, forks=False, suppression=suppression)
        encode = vocabulary.tokenizer.encode
        self._labels = {label: tuple(encode(label)) for label in vocabulary.labels.sentiments}
        self._last: tuple[Any, list[Decoded]] | None = None

    def decode(
        self,
        encoded: EncoderState,
        fmt: Format,
        prompt: Prompt,
        durations: Sequence[float],
        options: DecodeOptions | None = None,
        begin: Sequence[int] = (),
    ) -> list[Decoded]:
        """See `Decoder.decode`. Passes over the same windows share their transcripts."""
        options = options or DecodeOptions()
        transcripts = self._transcripts(encoded, fmt, prompt, durations, options, begin)
        if not prompt.tasks:
            return transcripts
        fresh = self._engine.start(encoded)
        return [
            self._answer(fresh, row, transcript, fmt, prompt, options)
            for row, transcript in enumerate(transcripts)
        ]

    def _transcripts(
        self,
        encoded: EncoderState,
        fmt: Format,
        prompt: Prompt,
        durations: Sequence[float],
        options: DecodeOptions,
        begin: Sequence[int],
    ) -> list[Decoded]:
        """The transcripts, which do not depend on the request."""
        text = self._vocabulary.text_ids
        words = tuple(token for token in begin if token in text)
        asked = replace(options, bias=0.0, label_bias={})
        key = (encoded, prompt.language, words, asked)
        last = self._last
        if last is not None and last[0][0] is encoded and last[0][1:] == key[1:]:
            return last[1]
        plain = Prompt(frozenset(), language=prompt.language)
        found = self._transcriber.decode(encoded, fmt, plain, durations, asked, words)
        self._last = (key, found)
        return found

    def _answer(
        self,
        fresh: DecoderState,
        row: int,
        transcript: Decoded,
        fmt: Format,
        prompt: Prompt,
        options: DecodeOptions,
    ) -> Decoded:
        """One window's transcript with its tags and its sentiment."""
        vocabulary = self._vocabulary
        kept = [place for place, token in enumerate(transcript.ids) if token in vocabulary.text_ids]
        words = [transcript.ids[place] for place in kept]
        tagged = self._tags(fresh, row, words, fmt, prompt, options)
        ids = list(tagged.ids)
        logprobs = [
            logprob if place is None else transcript.logprobs[kept[place]]
            for logprob, place in zip(tagged.logprobs, tagged.places, strict=True)
        ]
        sentiment = None
        if prompt.sa:
            sentiment = self._sentiment(fresh, row, words, prompt, options)
            label = max(sentiment, key=lambda name: sentiment[name])
            spelled = self._labels[label]
            ids += [vocabulary[TRANSCRIPT_END], vocabulary[SA], *spelled]
            sure = math.log(max(sentiment[label], np.finfo(np.float64).tiny))
            logprobs += [0.0, 0.0, sure, *[0.0] * (len(spelled) - 1)]
        ids.append(vocabulary[END])
        logprobs.append(transcript.logprobs[-1] if len(transcript.logprobs) > len(words) else 0.0)
        alignment = transcript.alignment
        if alignment is not None:
            alignment = alignment[_rows(tagged.places, kept, len(alignment))]
        stop = transcript.stop if tagged.complete else "length"
        return Decoded(ids, logprobs, stop, sentiment, alignment)

    def _tags(
        self,
        fresh: DecoderState,
        row: int,
        words: Sequence[int],
        fmt: Format,
        prompt: Prompt,
        options: DecodeOptions,
    ) -> _Tagged:
        """The words with tags around entities; what does not fit the decoder stays untagged."""
        plain = _Tagged(list(words), [0.0] * len(words), list(range(len(words))), True)
        if not prompt.ner or not words:
            return plain
        assert isinstance(fmt, InlineFormat)
        prefix, grammar = fmt.prefix(prompt), fmt.tags_around(prompt)
        room = self._tagger.max_tokens - len(prefix)
        if room <= len(words):
            raise OptionError(
                f"the prompt takes {len(prefix)} of the decoder's {self._tagger.max_tokens} positions and "
                f"the transcript {len(words)}: ask for fewer entity types at once"
            )
        biases: tuple[Processor, ...] = tuple(bias_processors(fmt, prompt, options.bias))
        if options.phrases:
            found = self._transcriber.phrases_in(words, options.phrases)
            biases = (*biases, TagReward(expected_entities(found, fmt, prompt), fmt, prompt))
        rules = Rules(biases, frozenset({self._vocabulary[END]}), no_loop)
        written = Written(rules.start(), room)
        state = self._engine.select(fresh, [row], [0])
        start = grammar.begin(words)
        places = write_copy(self._tagger, state, prefix, grammar, start, written, rules, greedy)
        if written.stop != "eot":
            return replace(plain, complete=False)
        return _Tagged(written.ids[:-1], written.logprobs[:-1], places[:-1], True)

    def _sentiment(
        self, fresh: DecoderState, row: int, words: Sequence[int], prompt: Prompt, options: DecodeOptions
    ) -> dict[str, float]:
        """The probability of each label, given that one of them follows the words."""
        fed = [*whisper_prefix(self._vocabulary, prompt), *words]
        fed += [self._vocabulary[TRANSCRIPT_END], self._vocabulary[SA]]
        wanted = np.array([ids[0] for ids in self._labels.values()], np.int64)
        state = self._engine.select(fresh, [row], [0])
        logits = self._tagger.score(np.array(fed, np.int64), state, wanted)[-1].astype(np.float64)
        weights = np.exp(logits - logits.max())
        shares = dict(zip(self._labels, (weights / weights.sum()).tolist(), strict=True))
        return reweighed(shares, options.label_bias)


def _rows(places: Sequence[int | None], kept: Sequence[int], rows: int) -> NDArray[np.int64]:
    """The rows of a transcript's alignment for its tagged form: a tag gets the row of the word that
    follows.
    """
    found, following = [rows - 1], rows - 1
    for place in reversed(places):
        following = following if place is None else kept[place]
        found.append(min(following, rows - 1))
    return np.array(found[::-1], np.int64)
