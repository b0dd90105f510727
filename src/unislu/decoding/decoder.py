"""The whole decoding of a batch of windows: transcript, then the task branches over its caches.

The transcript (with its inline entities) is written once. Every other task is a branch after it that starts
with tokens of its own; all branches of all windows run as one batch over copies of the caches. A branch of
kind "read" gives the probabilities of the labels. The format determines which tasks are branches and how each
begins.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from unislu.decoding.alignment import alignment_matrix
from unislu.decoding.labels import label_probabilities, reweighed
from unislu.decoding.options import Decoded, DecodeOptions, Stop
from unislu.decoding.phrase_search import PhraseReward, PhraseWriter
from unislu.decoding.phrase_tags import TagInserter
from unislu.decoding.phrase_tree import PhraseTree
from unislu.decoding.processors import (
    GrammarMask,
    Masks,
    Processor,
    RepetitionPenalty,
    Suppress,
    Suppression,
    bias_processors,
)
from unislu.decoding.repetition import loop_start, no_loop
from unislu.decoding.search import (
    Anchor,
    Picker,
    Rules,
    Written,
    greedy,
    picking,
    sampler,
    write_batch,
    write_beam,
)
from unislu.engines.protocol import Aligner, DecoderState, EncoderState, Engine
from unislu.errors import OptionError
from unislu.sequence.format import Branch, Format
from unislu.sequence.phrases import Phrase
from unislu.sequence.prompt import Prompt
from unislu.sequence.vocabulary import END, SA, TRANSCRIPT_END, Vocabulary

TAIL = 8
"""Positions kept free for `[T/L]`, a task token and a label."""


@dataclass(frozen=True)
class _Tail:
    """The output of a branch: its tokens after the task's own, without an end."""

    ids: list[int]
    logprobs: list[float]
    stop: Stop = "eot"
    sentiment: dict[str, float] | None = None


@dataclass(frozen=True)
class _Fork:
    """A branch after a window's transcript, and the place of that transcript's caches."""

    window: int
    branch: Branch
    row: int
    length: int


class Decoder:
    """Decodes windows with one engine and vocabulary; keeps the grammar's masks between calls."""

    def __init__(
        self,
        engine: Engine,
        vocabulary: Vocabulary,
        forks: bool = True,
        suppression: Suppression | None = None,
        stops: Iterable[int] = (),
    ) -> None:
        """Prepare the grammar's masks.

        Args:
            engine: the model.
            vocabulary: its tokens.
            forks: whether the model was trained to write `[T/L]` at the end of a transcript.
            suppression: tokens that are not written although the grammar allows them.
            stops: tokens that end a sequence besides those of the format.
        """
        self._suppression = (suppression or Suppression()).processors()
        self._stops = frozenset(stops)
        self._forks_known = forks and SA in vocabulary
        self._engine = engine
        self._vocabulary = vocabulary
        self._masks = Masks(engine.vocab_size, vocabulary.text_ids)
        known = vocabulary.text_ids | set(vocabulary.ids.values())
        self._suppress = Suppress([token for token in range(engine.vocab_size) if token not in known])
        self._end = vocabulary[END]
        encode = vocabulary.tokenizer.encode
        self._labels = {label: (*encode(label), self._end) for label in vocabulary.labels.sentiments}
        self._tree = lru_cache(maxsize=4)(self._phrase_tree)

    def decode(
        self,
        encoded: EncoderState,
        fmt: Format,
        prompt: Prompt,
        durations: Sequence[float],
        options: DecodeOptions | None = None,
        begin: Sequence[int] = (),
    ) -> list[Decoded]:
        """Decode all windows of an encoder state.

        Args:
            encoded: the result of `Engine.encode`.
            fmt: the format to write.
            prompt: tasks and entity types, the same for all windows.
            durations: seconds of audio of each window, which limit the length of its output.
            options: how to search; the default is greedy and constrained.
            begin: tokens of the transcript that are already known, the same for all windows; the outputs
                begin with them, at log-probability 0.

        Raises:
            OptionError: the prompt leaves no room for output.
        """
        options = options or DecodeOptions()
        prefix = fmt.prefix(prompt)
        branches = fmt.branches(prompt)
        # `[T/L]` ends a transcript whether or not a task follows: a model that has learned to write it there
        # would otherwise have to choose between a forbidden end and one more word.
        ending = replace(prompt, tasks=prompt.tasks | {"sa"}) if self._forks_known else prompt
        rules = self._rules(fmt, ending, options, entities=fmt.inside, phrases=options.beam > 1)
        limits = [self._limit(len(prefix), duration * fmt.length_factor, options) for duration in durations]
        known = list(begin)[: min(limits) - 1]
        rows = [Written(rules.start(known), limit, [*known], [0.0] * len(known)) for limit in limits]
        tokens = np.tile(np.array([*prefix, *known], np.int64), (len(rows), 1))
        logits, state = self._engine.step(tokens, self._engine.start(encoded))
        write = self._write_beams if options.beam > 1 else self._write_batch
        if options.phrases and options.beam == 1:
            write = self._write_phrases
        anchors = write(state, logits, rows, rules, options)
        if options.phrases:
            inserter = TagInserter(self._engine, fmt, prompt, tuple(prefix), len(known))
            anchors, rows = self._tagged(inserter, anchors, rows, options)
        alignments = self._alignments(anchors, rows, len(prefix), options)
        if not branches:
            outputs = [self._unbranched(row) for row in rows]
            return [replace(output, alignment=a) for output, a in zip(outputs, alignments, strict=True)]
        # Branches do not see each other; each ends on its own.
        listing = replace(prompt, tasks=prompt.tasks & {"ner"})
        branch_rules = self._rules(fmt, listing, options, entities=True)
        tails: list[dict[str, _Tail]] = [{} for _ in rows]
        for state, forks in self._forks(anchors, rows, len(prefix), branches):
            found = self._fork(state, forks, rows, branch_rules, options)
            for fork, tail in zip(forks, found, strict=True):
                tails[fork.window][fork.branch.task] = tail
        outputs = [self._join(row, branches, tail) for row, tail in zip(rows, tails, strict=True)]
        return [replace(output, alignment=a) for output, a in zip(outputs, alignments, strict=True)]

    def phrases_in(self, ids: Sequence[int], phrases: tuple[Phrase, ...]) -> list[tuple[int, int, Phrase]]:
        """See `PhraseTree.find`."""
        return self._tree(phrases).find(ids)

    def _alignments(
        self, anchors: Sequence[Anchor], rows: Sequence[Written], prefix: int, options: DecodeOptions
    ) -> list[NDArray[np.float32] | None]:
        """The transcripts' alignments, read before their caches are forked."""
        engine = self._engine
        if not options.align or not isinstance(engine, Aligner) or not engine.aligns:
            return [None] * len(rows)
        found: list[NDArray[np.float32] | None] = []
        for anchor, row in zip(anchors, rows, strict=True):
            # The query at a position chooses the next token: that of the prefix's last token chooses the
            # first.
            start, count = prefix - 1, len(_body(row)) + 1
            stop = min(start + count, engine.lengths(anchor.state)[anchor.row])
            found.append(alignment_matrix(engine.attention(anchor.state, anchor.row, start, stop)))
        return found

    def _unbranched(self, row: Written) -> Decoded:
        """A transcript without branches; its end is always the same token."""
        body = _body(row)
        ended = [self._end] if row.stop == "eot" else []
        return Decoded([*body, *ended], row.logprobs, row.stop or "length")

    def _limit(self, prefix: int, duration: float, options: DecodeOptions) -> int:
        """The maximum number of tokens of a window's transcript."""
        room = self._engine.max_tokens - prefix - TAIL
        if room < 1:
            raise OptionError(
                f"the prompt takes {prefix} of the decoder's {self._engine.max_tokens} positions: "
                "ask for fewer entity types at once"
            )
        return min(room, options.limit(duration))

    def _rules(
        self, fmt: Format, prompt: Prompt, options: DecodeOptions, entities: bool, phrases: bool = False
    ) -> Rules:
        """The rules for the transcript or, in a fork, for the entity branch; `phrases`: reward those."""
        processors: list[Processor] = []
        if options.repetition_penalty != 1.0:
            processors.append(RepetitionPenalty(options.repetition_penalty))
        if entities and prompt.ner:
            processors += bias_processors(fmt, prompt, options.bias)
        if phrases and options.phrases:
            processors.append(PhraseReward(self._tree(options.phrases)))
        if options.constrained:
            processors.append(GrammarMask(fmt.grammar(prompt), self._masks))
        else:
            processors.append(self._suppress)
        processors += self._suppression
        stops = {self._vocabulary[name] for name in (END, TRANSCRIPT_END, SA) if name in self._vocabulary}
        find_loop = loop_start if options.guard_repetition else no_loop
        return Rules(tuple(processors), self._stops | stops, find_loop)

    def _write_batch(
        self,
        state: DecoderState,
        logits: NDArray[np.float32],
        rows: list[Written],
        rules: Rules,
        options: DecodeOptions,
    ) -> list[Anchor]:
        """Greedy or sampled, all rows together."""
        turns = [picking(pick) for pick in _pickers(options, len(rows))]
        return write_batch(self._engine, state, logits, rows, rules, turns)

    def _write_phrases(
        self,
        state: DecoderState,
        logits: NDArray[np.float32],
        rows: list[Written],
        rules: Rules,
        options: DecodeOptions,
    ) -> list[Anchor]:
        """Greedy with expected phrases, all rows together."""
        tree = self._tree(options.phrases)
        turns = [PhraseWriter(tree, row.ids) for row in rows]
        return write_batch(self._engine, state, logits, rows, rules, turns)

    def _tagged(
        self,
        inserter: TagInserter,
        anchors: Sequence[Anchor],
        rows: Sequence[Written],
        options: DecodeOptions,
    ) -> tuple[list[Anchor], list[Written]]:
        """The transcripts with tags around expected phrases of known types."""
        tree = self._tree(options.phrases)
        pairs = [
            inserter.insert(anchor, row, tree.find(row.ids))
            for anchor, row in zip(anchors, rows, strict=True)
        ]
        return [anchor for anchor, _ in pairs], [row for _, row in pairs]

    def _phrase_tree(self, phrases: tuple[Phrase, ...]) -> PhraseTree:
        return PhraseTree(phrases, self._vocabulary)

    def _write_beams(
        self,
        state: DecoderState,
        logits: NDArray[np.float32],
        rows: list[Written],
        rules: Rules,
        options: DecodeOptions,
    ) -> list[Anchor]:
        """Beam search, row by row; the winner's caches are then written in one step."""
        anchors = []
        first = logits.copy()
        for index, row in enumerate(rows):
            best = write_beam(
                self._engine,
                self._engine.select(state, [index]),
                first[index : index + 1],
                row,
                rules,
                options.beam,
                options.length_penalty,
            )
            rows[index] = best
            winner = self._engine.select(state, [index])
            if best.ids:
                _, winner = self._engine.step(np.array([best.ids], np.int64), winner)
            anchors.append(Anchor(winner, 0))
        return anchors

    def _forks(
        self, anchors: Sequence[Anchor], rows: Sequence[Written], prefix: int, branches: Sequence[Branch]
    ) -> list[tuple[DecoderState, list[_Fork]]]:
        """Groups of branches that can be fed together: from one state, with the same number of tokens."""
        groups: dict[tuple[int, int], tuple[DecoderState, list[_Fork]]] = {}
        for window, anchor in enumerate(anchors):
            # The last token of a sequence cut at its limit was not fed, unless other rows went on.
            length = prefix + len(_body(rows[window])) - (rows[window].stop == "length")
            for branch in branches:
                _, forks = groups.setdefault((id(anchor.state), len(branch.ids)), (anchor.state, []))
                forks.append(_Fork(window, branch, anchor.row, length))
        return list(groups.values())

    def _fork(
        self,
        state: DecoderState,
        forks: Sequence[_Fork],
        rows: Sequence[Written],
        rules: Rules,
        options: DecodeOptions,
    ) -> list[_Tail]:
        """Run branches of one state as one batch."""
        fed = np.array([fork.branch.ids for fork in forks], np.int64)
        state = self._engine.select(state, [fork.row for fork in forks], [fork.length for fork in forks])
        logits, state = self._engine.step(fed, state)
        read = [place for place, fork in enumerate(forks) if fork.branch.kind == "read"]
        listed = [place for place, fork in enumerate(forks) if fork.branch.kind != "read"]
        tails: dict[int, _Tail] = {}
        scores = label_probabilities(self._engine, state, read, logits[read], self._labels) if read else []
        for place, probabilities in zip(read, scores, strict=True):
            tails[place] = self._label(reweighed(probabilities, options.label_bias))
        if listed:
            written = [
                self._list_start(rows[forks[place].window], fed[place], forks[place].length, rules)
                for place in listed
            ]
            if read:
                logits, state = logits[listed], self._engine.select(state, listed)
            write = self._write_beams if options.beam > 1 else self._write_batch
            if options.clips:  # other draws than the transcript's
                names = tuple(f"{options.clips[forks[place].window]}/list" for place in listed)
                options = replace(options, clips=names)
            write(state, logits, written, rules, options)
            tails |= {
                place: _Tail(_body(row), row.logprobs[: len(_body(row))], row.stop or "length")
                for place, row in zip(listed, written, strict=True)
            }
        return [tails[place] for place in range(len(forks))]

    def _list_start(self, transcript: Written, fed: NDArray[np.int64], length: int, rules: Rules) -> Written:
        """An entity branch of which only the task token is written."""
        states = rules.start([*_body(transcript), *map(int, fed)])
        room = self._engine.max_tokens - length - len(fed)
        return Written(states, max(1, min(room, transcript.limit)))

    def _label(self, probabilities: dict[str, float]) -> _Tail:
        """The likeliest label's tokens; the first carries its probability."""
        label = max(probabilities, key=lambda name: probabilities[name])
        ids = list(self._labels[label][:-1])
        logprob = math.log(max(probabilities[label], np.finfo(np.float64).tiny))
        return _Tail(ids, [logprob] + [0.0] * (len(ids) - 1), sentiment=probabilities)

    def _join(self, row: Written, branches: Sequence[Branch], tails: Mapping[str, _Tail]) -> Decoded:
        """Transcript and branches as one sequence. Tokens that were fed rather than chosen have
        log-probability 0.
        """
        body = _body(row)
        ids, logprobs = list(body), row.logprobs[: len(body)]
        ids.append(self._vocabulary[TRANSCRIPT_END])
        logprobs.append(row.logprobs[-1] if len(row.ids) > len(body) else 0.0)
        for branch in branches:
            fed, tail = branch.ids[1:], tails[branch.task]  # all branches share the end of the transcript
            ids += [*fed, *tail.ids]
            logprobs += [*([0.0] * len(fed)), *tail.logprobs]
        ids.append(self._end)
        logprobs.append(0.0)
        stops: list[Stop] = [row.stop or "length", *(tail.stop for tail in tails.values())]
        stop: Stop = next((reason for reason in stops if reason != "eot"), "eot")
        sentiment = next((tail.sentiment for tail in tails.values() if tail.sentiment is not None), None)
        return Decoded(ids, logprobs, stop, sentiment)


def _body(row: Written) -> list[int]:
    """The tokens without the one that ended them."""
    return row.ids[:-1] if row.stop == "eot" else row.ids


def _pickers(options: DecodeOptions, count: int) -> list[Picker]:
    if options.temperature == 0:
        return [greedy] * count
    if options.clips:
        digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in options.clips]
        keys = [int.from_bytes(digest, "big") for digest in digests]
    else:
        keys = list(range(count))
    generators = [np.random.default_rng([options.seed, key]) for key in keys]
    return [sampler(options.temperature, options.top_p, generator) for generator in generators]
