"""The tail of a sequence: `[T/L][SA]Positive<|endoftext|>`, the same in every format."""

from __future__ import annotations

from collections.abc import Sequence

from unislu.errors import RecordError
from unislu.sequence.format import ASR_PART, TASK_PART, Parsed, Reader, Writer
from unislu.sequence.prompt import Prompt
from unislu.sequence.target import Target
from unislu.sequence.vocabulary import END, SA, TRANSCRIPT_END, Vocabulary


class SentimentTail:
    """Writes and reads what follows the transcript of a format that marks entities inside it."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Raises `VocabularyError` if the vocabulary lacks `[T/L]` or `[SA]`."""
        self._vocabulary = vocabulary
        self._transcript_end = vocabulary[TRANSCRIPT_END]
        self._task = vocabulary[SA]
        self._end = vocabulary[END]
        self.stops = frozenset({self._transcript_end, self._task, self._end})
        """The ids that end the transcript."""

    def canonical(self, target: Target, prompt: Prompt) -> str | None:
        """The label as the label set spells it. Raises `RecordError` for one that is not in it."""
        if target.sentiment is None or not prompt.sa:
            return None
        label = self._vocabulary.labels.sentiment(target.sentiment)
        if label is None:
            known = ", ".join(self._vocabulary.labels.sentiments)
            raise RecordError(f"sentiment {target.sentiment!r} is not one of {known}: map or drop it")
        return label

    def render(self, target: Target, out: Writer) -> None:
        """Append the tail of a canonical target; its end belongs to the part that it ends."""
        if target.sentiment is None:
            out.add(ASR_PART, self._end)
            return
        out.add(ASR_PART, self._transcript_end, self._task)
        out.add(TASK_PART, *self._vocabulary.tokenizer.encode(target.sentiment), self._end)

    def parse(self, reader: Reader, ids: Sequence[int], start: int, prompt: Prompt) -> Parsed:
        """Read the tail, which starts at the first id in `stops` (at most the last index of `ids`)."""
        sentiment, index = self._label(reader, ids, start, prompt)
        return reader.finish(prompt.ner, sentiment, index)

    def _label(
        self, reader: Reader, ids: Sequence[int], index: int, prompt: Prompt
    ) -> tuple[str | None, int | None]:
        if index >= len(ids) or ids[index] not in self.stops or ids[index] == self._end:
            return None, None
        if ids[index] == self._transcript_end:
            index += 1
        else:
            reader.repair(index, "[SA] without [T/L] before it")
        if index >= len(ids) or ids[index] != self._task:
            reader.repair(index, "no task after [T/L]")
            return None, None
        label, first, stop = read_label(self._vocabulary, reader, ids, index)
        if stop < len(ids) and ids[stop] != self._end:
            reader.repair(stop, "more after the sentiment, ignored")
        if label is not None and not prompt.sa:
            reader.repair(index, "sentiment was not asked for, dropped")
            return None, None
        return label, first


def read_label(
    vocabulary: Vocabulary, reader: Reader, ids: Sequence[int], task: int
) -> tuple[str | None, int | None, int]:
    """The sentiment after the `[SA]` at index `task`: label, index of its first token, index after it.

    Label and index are None if the words are no label.
    """
    stop = task + 1
    while stop < len(ids) and ids[stop] in vocabulary.text_ids:
        stop += 1
    words = vocabulary.tokenizer.decode(ids[task + 1 : stop])
    label = vocabulary.labels.sentiment(words)
    if label is None:
        reader.repair(task, f"unknown sentiment {words!r}, dropped")
        return None, None, stop
    return label, task + 1, stop
