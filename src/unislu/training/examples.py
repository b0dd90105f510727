"""From records to training examples: what is fed, what is learned, over which audio.

An example is a pure function of (recipe seed, epoch, record): prompts, negatives and dropout come from a
generator that belongs to it, so a run resumed in the middle, or split over processes, sees exactly the same
examples.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from unislu.data.prompts import PromptMix, open_prompt
from unislu.data.records import Record, read_records
from unislu.data.similar import neighbours
from unislu.data.type_names import TypeTable
from unislu.errors import RecipeError
from unislu.sequence import (
    ONTONOTES_TO_SLUE,
    Alphabet,
    Format,
    LabelSet,
    Prompt,
    Span,
    Target,
    Vocabulary,
    get_format,
    normalize_type,
)
from unislu.sequence.choices import sentiment_choice, tag_choices
from unislu.sequence.format import tags_transcript
from unislu.sequence.inline import InlineFormat
from unislu.sequence.reader import ASR_PART, GIVEN_PART, TASK_PART, Rendered
from unislu.sequence.vocabulary import END
from unislu.training.config import CorpusConfig, PromptConfig, Recipe, Weighting
from unislu.training.teacher_output import (
    SoftLabels,
    TeacherOutput,
    is_taught,
    output_file,
    transcript_places,
    why_left_out,
)

_ONTONOTES = {normalize_type(name): tag for name, tag in ONTONOTES_TO_SLUE.items()} | {"year": "WHEN"}
#: Seconds of a clip at most.
LONGEST = 30.0
#: Decoder positions of Whisper: prompt and output must fit.
MAX_POSITIONS = 448


@dataclass(frozen=True)
class Example:
    """One training example."""

    id: str
    tokens: tuple[int, ...]
    """The decoder's input and target in one: prefix, then the rendered sequence."""
    parts: tuple[int, ...]
    """For each token 0 = transcript, 1 = task, 2 = fed."""
    learned_from: int
    """Number of leading ids that are only fed."""
    clip: tuple[Path, str] | None
    """The audio: (manifest, path)."""
    weighting: Weighting = "plain"
    #: Length of the clip, 0 where the record does not say.
    seconds: float = 0.0
    allowed: tuple[tuple[int, ...], ...] = ()
    """If only choices are learned, for each id after `learned_from` what could stand in its place, or nothing
    if there was no choice.
    """
    #: Tokens of the transcript that are learned from a teacher.
    soft: SoftLabels | None = field(default=None, compare=False)
    #: Factor on its loss.
    scale: float = 1.0

    @property
    def learned(self) -> int:
        """How many tokens are learned from it."""
        if self.allowed:
            return sum(map(bool, self.allowed))
        return sum(part != GIVEN_PART for part in self.parts[self.learned_from :])


@dataclass
class TrainingCorpus:
    """A manifest in memory with its configuration."""

    config: CorpusConfig
    manifest: Path
    records: list[Record]
    #: Normalised type set of each example that has entities; negatives are drawn from these.
    type_sets: list[tuple[str, ...]] = field(default_factory=list)
    #: Id of each of those examples, in the same order, and its text.
    tagged: list[tuple[str, str]] = field(default_factory=list)
    # : Records left out because they are longer than `LONGEST` seconds.
    too_long: int = 0

    @cached_property
    def ontology(self) -> tuple[str, ...]:
        """All its types."""
        return tuple(sorted({name for names in self.type_sets for name in names}))


def load_corpora(configs: Sequence[CorpusConfig]) -> list[TrainingCorpus]:
    """Read every manifest of a recipe.

    Raises:
        RecipeError: a manifest that is empty, or lacks the annotation its configuration asks for.
    """
    corpora = []
    for config in configs:
        manifest = Path(config.manifest)
        own = config.teacher is not None and config.teacher.text == "own"
        every = list(read_records(manifest, untranscribed=own))
        short = [r for r in every if (r.duration or 0.0) <= LONGEST]
        records = short[: config.limit]
        if not records:
            raise RecipeError(f"corpus {config.manifest!r} holds no record of at most {LONGEST:.0f} s")
        if config.text_only and not any(r.sentiment for r in records):
            raise RecipeError(f"corpus {config.manifest!r} is text_only but carries no sentiment to learn")
        tagged = [r for r in records if r.entities]
        sets = [tuple(sorted({normalize_type(e.type) for e in r.entities or ()})) for r in tagged]
        texts = [(r.id, r.text) for r in tagged]
        corpora.append(TrainingCorpus(config, manifest, records, sets, texts, len(every) - len(short)))
    return corpora


@dataclass(frozen=True)
class Formats:
    """What a model writes for closed and for open types, and `suffix` for those who want it besides."""

    closed: Format
    open: Format
    suffix: Format

    @classmethod
    def of(
        cls, name: str, vocabulary: Vocabulary, alphabet: str = "atomic", leading_blank: bool = True
    ) -> Formats:
        """The formats of a model that writes closed types as `name`; some write open ones as well."""
        letters = Alphabet(alphabet)
        closed = get_format(name, vocabulary, letters, leading_blank)
        opened = closed
        if not closed.open:
            opened = get_format(closed.open_name, vocabulary, letters, leading_blank)
        return cls(closed, opened, get_format("suffix", vocabulary, letters, leading_blank))


class ExampleMaker:
    """Turns records into examples for one recipe.

    Args:
        recipe: for its prompts and seed.
        vocabulary: the model's.
        corpora: all corpora; negatives come from any corpus with open types.
        formats: what the model writes.
        positions: the most tokens that prompt and output may have; longer examples are left out.
    """

    def __init__(
        self, recipe: Recipe, vocabulary: Vocabulary, corpora: Sequence[TrainingCorpus], formats: Formats,
        positions: int = MAX_POSITIONS,
    ):  # fmt: skip
        self._seed, self._positions = recipe.seed, positions
        self._prompts: PromptConfig = recipe.prompts
        self._vocabulary = vocabulary
        self._closed, self._open, self._suffix = formats.closed, formats.open, formats.suffix
        opened = [c for c in corpora if c.config.entities == "open"]
        self._others = [types for c in opened for types in c.type_sets]
        random_types = self._prompts.strategy == "random-type"
        self._universe = sorted({name for types in self._others for name in types}) if random_types else []
        prompts = recipe.prompts
        self._learns = getattr(recipe.model, "learns", "all")
        self._table = TypeTable.read(Path(prompts.table)) if prompts.table else None
        asks = prompts.alone or prompts.absent or prompts.described
        self._mix = PromptMix(prompts.alone, prompts.absent, prompts.described) if asks else None
        self._similar: dict[tuple[Path, str], list[int]] = {}
        if self._prompts.strategy == "hard":
            found = neighbours([text for c in opened for _, text in c.tagged], self._prompts.embedding)
            keys = [(c.manifest, id_) for c in opened for id_, _ in c.tagged]
            self._similar = dict(zip(keys, found, strict=True))

    def __call__(self, corpus: TrainingCorpus, record: Record, epoch: int) -> Example | None:
        """The example of a record in an epoch, or `None` when it does not fit the decoder."""
        generator = random.Random(f"{self._seed}/{epoch}/{corpus.manifest.parent.name}/{record.id}")
        target = self._labelled(record.target())
        if not corpus.config.sentiment or self._learns == "words":
            target = replace(target, sentiment=None)
        if self._learns == "words":
            target = replace(target, entities=None)
        if corpus.config.text_only:
            return self._sentiment_only(corpus, record, target, generator)
        if is_taught(corpus.config.teacher, record):
            return self._taught(corpus, record, target, generator)
        return self._rendered(corpus, record, target, generator)

    def _rendered(
        self, corpus: TrainingCorpus, record: Record, target: Target, generator: random.Random
    ) -> Example | None:
        """The example of an annotated target."""
        fmt, prompt, target = self._question(corpus, record, target, generator)
        if self._learns == "tags":
            return self._choices(corpus, record, fmt, prompt, target, generator)
        rendered = fmt.render(target, prompt)
        return self._example(corpus, record, fmt.prefix(prompt), rendered.ids, rendered.parts)

    def _taught(
        self, corpus: TrainingCorpus, record: Record, target: Target, generator: random.Random
    ) -> Example | None:
        """The example of a teacher's own text, or the target with what it would have written along its words.

        None where the clip could not be read, or the text cannot be learned. Where the target's words are
        other tokens than those that the teacher followed (a tag inside a token), they are learned without it.
        """
        teacher = corpus.config.teacher
        assert teacher is not None
        file = output_file(teacher, corpus.manifest, record)
        try:
            output = TeacherOutput.read(file)
        except OSError:
            return None
        if teacher.text == "record":
            example = self._rendered(corpus, record, target, generator)
        elif why_left_out(teacher, file, output, self._vocabulary.tokenizer) is None:
            ids = (*map(int, output.ids), self._vocabulary[END])
            prefix = self._closed.prefix(Prompt(frozenset()))
            example = self._example(corpus, record, prefix, ids, (ASR_PART,) * len(ids))
        else:
            return None
        if example is None:
            return None
        rendered = Rendered(example.tokens, example.parts)
        places = transcript_places(rendered, example.learned_from, output, self._vocabulary)
        soft = SoftLabels(output, places, teacher.temperature, teacher.weight)
        return replace(example, soft=soft) if places else example

    def _question(
        self, corpus: TrainingCorpus, record: Record, target: Target, generator: random.Random
    ) -> tuple[Format, Prompt, Target]:
        """Which format and prompt an annotated target is asked with."""
        config = corpus.config
        sentiment = frozenset({"sa"}) if target.sentiment else frozenset[str]()
        plain = config.plain > 0 and generator.random() < config.plain
        if plain or config.entities == "ignore" or target.entities is None:
            return self._closed, Prompt(sentiment), replace(target, entities=None)
        if config.entities == "closed":
            target = closed_target(target, self._vocabulary.labels)
            fmt = self._suffix if generator.random() < config.suffix else self._closed
            return fmt, Prompt(sentiment | {"ner"}), target
        renamed, never = _renamed(target, config, generator)
        drawn = open_prompt(
            renamed, self._pool(corpus, record, generator), generator, negatives=self._prompts.negatives,
            dropout=self._prompts.dropout, shuffle=self._prompts.shuffle,
            max_types=self._prompts.max_types, never=never, universe=self._universe, table=self._table,
            mix=self._mix, described=_descriptions(record),
        )  # fmt: skip
        if not drawn.types:  # neither entities nor negatives: there is no question to ask
            return self._closed, Prompt(sentiment), replace(target, entities=None)
        prompt = Prompt(sentiment | {"ner"}, drawn.types, descriptions=drawn.descriptions)
        return self._open, prompt, drawn.target

    def _choices(
        self, corpus: TrainingCorpus, record: Record, fmt: Format, prompt: Prompt, target: Target,
        generator: random.Random,
    ) -> Example | None:  # fmt: skip
        """The words are given: one of the questions that the record answers, and what there is to choose."""
        tasks = sorted(prompt.tasks)
        if not tasks:
            return None
        if generator.choice(tasks) == "sa" and target.sentiment is not None:
            found = sentiment_choice(self._vocabulary, target.text, target.sentiment)
        else:
            assert isinstance(fmt, InlineFormat)
            found = tag_choices(fmt, self._vocabulary, target, replace(prompt, tasks=frozenset({"ner"})))
        parts = (TASK_PART,) * len(found.ids)
        example = self._example(corpus, record, found.prefix, found.ids, parts)
        if example is None or not any(found.allowed):
            return None
        seconds = record.duration or 0.0
        return replace(example, weighting="plain", seconds=seconds, allowed=found.allowed)

    def _pool(
        self, corpus: TrainingCorpus, record: Record, generator: random.Random
    ) -> Sequence[tuple[str, ...]]:
        """The type sets that negatives are drawn from: similar examples', its corpus' or everybody's."""
        if similar := self._similar.get((corpus.manifest, record.id)):
            return [self._others[number] for number in similar]
        if self._prompts.whole_set > 0 and corpus.type_sets and generator.random() < self._prompts.whole_set:
            return [corpus.ontology]
        near = self._prompts.same_corpus > 0 and generator.random() < self._prompts.same_corpus
        return corpus.type_sets if near and corpus.type_sets else self._others

    def _sentiment_only(
        self, corpus: TrainingCorpus, record: Record, target: Target, generator: random.Random
    ) -> Example | None:
        """The transcript is given and only the sentiment learns, over the audio of any clip.

        Half of the time names are tagged in the given transcript, so that the branch reads a tagged
        transcript as well as a plain one; nothing is learned from those tags.
        """
        if target.sentiment is None:
            return None
        tagged = generator.random() < 0.5 and tags_transcript(self._closed)
        types = sorted(self._vocabulary.labels.entity_types)
        spans = _guessed_names(target.text, types, generator) if tagged else ()
        prompt = Prompt(frozenset({"ner", "sa"}) if tagged else frozenset({"sa"}))
        target = replace(target, entities=spans if tagged else None)
        rendered = self._closed.render(target, prompt)
        example = self._example(corpus, record, self._closed.prefix(prompt), rendered.ids, rendered.parts)
        if example is None:
            return None
        first = example.tokens.index(self._vocabulary["[SA]"]) + 1
        return replace(example, learned_from=first, clip=None, weighting="plain", seconds=0.0)

    def _example(
        self, corpus: TrainingCorpus, record: Record, prefix: Sequence[int], ids: Sequence[int],
        parts: Sequence[int],
    ) -> Example | None:  # fmt: skip
        if len(prefix) + len(ids) > self._positions:
            return None
        tokens, parts = (*prefix, *ids), (*[0] * len(prefix), *parts)
        clip = None if record.audio is None else (corpus.manifest, record.audio)
        seconds = 0.0 if clip is None else record.duration or 0.0
        return Example(
            record.id, tokens, parts, len(prefix), clip, corpus.config.loss, seconds=seconds,
            scale=corpus.config.loss_weight,
        )  # fmt: skip

    def _labelled(self, target: Target) -> Target:
        """The sentiment as the label set writes it."""
        if target.sentiment is None:
            return target
        label = self._vocabulary.labels.sentiment(target.sentiment)
        if label is None:
            raise RecipeError(
                f"sentiment {target.sentiment!r} is none of {', '.join(self._vocabulary.labels.sentiments)}"
            )
        return replace(target, sentiment=label)


def closed_type(name: str, labels: LabelSet) -> str | None:
    """A type's tag: of its own name, or as SLUE maps an OntoNotes type; None where there is none."""
    tag = labels.entity_type(name) or _ONTONOTES.get(normalize_type(name))
    return tag if tag in labels.entity_types else None


def closed_target(target: Target, labels: LabelSet) -> Target:
    """The target with the label set's types; entities without a tag are dropped."""
    mapped = ((span, closed_type(span.type, labels)) for span in target.entities or ())
    spans = tuple(Span(span.start, span.end, tag) for span, tag in mapped if tag is not None)
    return replace(target, entities=None if target.entities is None else spans)


def _descriptions(record: Record) -> dict[str, str]:
    """The descriptions of a record's types (`description`), by normalised name."""
    said = record.extra.get("description")
    if not isinstance(said, dict):
        return {}
    return {normalize_type(str(name)): str(text) for name, text in said.items()}


def _renamed(target: Target, config: CorpusConfig, generator: random.Random) -> tuple[Target, frozenset[str]]:
    """The target with each type under one of its other names, and all names of the types that are present."""
    synonyms = config.synonyms()
    chosen = {old: generator.choice(names) for old, names in synonyms.items()}
    spans = target.entities or ()
    present = {normalize_type(s.type) for s in spans}
    names = present | {name for old in present for name in synonyms.get(old, ())}
    renamed = tuple(replace(s, type=chosen.get(normalize_type(s.type), s.type)) for s in spans)
    return replace(target, entities=renamed), frozenset(names)


def _guessed_names(text: str, types: Sequence[str], generator: random.Random) -> tuple[Span, ...]:
    """Spans of capitalised words inside a sentence, with random types."""
    spans, position = [], 0
    for number, word in enumerate(text.split(" ")):
        bare = word.rstrip(".,!?;:'\"")
        if number and bare[:1].isupper() and len(bare) > 1 and bare.isalpha() and generator.random() < 0.7:
            spans.append(Span(position, position + len(bare), generator.choice(types)))
        position += len(word) + 1
    return tuple(spans)
