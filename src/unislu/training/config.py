"""Recipes: the YAML file that says everything about a training run.

Every key is checked against the dataclasses below: an unknown key, a wrong type or an impossible value is a
`RecipeError` that names the key. `key=value` overrides use dotted paths (`optimizer.lr=1e-4`,
`corpora.0.weight=2`). The section `smoke` of a recipe is not part of the run: it holds what changes when the
recipe is tried on a tiny random model (`unislu train RECIPE --smoke`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from unislu.bundle.manifest import Padding
from unislu.errors import RecipeError
from unislu.sequence import normalize_type
from unislu.training.model_config import AnyModel, ModelConfig
from unislu.training.schema import build, merge, override, read_yaml

Weighting = Literal["plain", "dynamic", "dynamic-without-end", "sum"]
"""How the losses of transcript and task weigh in an example, see `unislu.training.loss.weights`."""


@dataclass(frozen=True)
class PromptConfig:
    """How prompts of open entity types are drawn (WhisperNER, section II-C)."""

    #: Number of other examples whose types are added as negatives.
    negatives: int = 2
    #: Which: types of random examples, as many types drawn one by one, or types of similar examples.
    strategy: Literal["random-sample", "random-type", "hard"] = "random-sample"
    #: `hard`: a sentence-transformers model to compare texts with; by default character n-grams.
    embedding: str | None = None
    #: Share of examples whose negatives come from their own corpus: near misses instead of far ones.
    same_corpus: float = 0.0
    #: Share of examples whose negatives are all other types of their corpus, as users who name a whole
    #: ontology ask.
    whole_set: float = 0.0
    #: A table of types (`unislu.data.type_names`): types are asked for under its names too, and what may mean
    #: a present type is no negative.
    table: str | None = None
    #: Share of examples that ask for one of their types alone.
    alone: float = 0.0
    #: Share of examples that ask for one type, which is absent.
    absent: float = 0.0
    #: Share of prompts of a few types that say what some of them are.
    described: float = 0.0
    #: Share of the present types that vanish from prompt and target alike.
    dropout: float = 0.1
    shuffle: bool = True
    max_types: int = 24

    def __post_init__(self) -> None:
        for name in ("alone", "absent", "described"):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise RecipeError(f"recipe key 'prompts.{name}': {share!r} is not a share between 0 and 1")
        if self.alone + self.absent > 1:
            raise RecipeError(
                f"recipe keys 'prompts.alone' and 'prompts.absent': {self.alone!r} and {self.absent!r} are "
                "more than all examples"
            )


@dataclass(frozen=True)
class TeacherConfig:
    """A Whisper to whose distribution over text tokens the transcripts of a corpus are held."""

    #: Folder or hub name of a Hugging Face Whisper model.
    backbone: str
    #: Folder of its outputs; it runs on what is missing there before the first step.
    cache: str
    #: What the KL divergence of a position weighs beside the cross-entropy of other positions.
    weight: float = 1.0
    #: Both distributions are softened by it.
    temperature: float = 1.0
    #: What it gets of a clip: silence behind it up to 30 s, as Whisper was pretrained, or the clip alone.
    padding: Padding = "full"
    #: The transcript that is learned: what it writes itself, or the record's.
    text: Literal["own", "record"] = "own"
    #: Its own text is learned if a second one, which it writes when silence comes before the clip, agrees by
    #: so much: 1 less the word error rate. 0 asks for no second one.
    agreement: float = 0.8


@dataclass(frozen=True)
class CorpusConfig:
    """One manifest and how its examples take part."""

    manifest: str
    #: Passes over the corpus in one epoch; 0.5 draws another half each epoch.
    weight: float = 1.0
    #: What its entities are: the closed set, open types by prompt, or not used.
    entities: Literal["closed", "open", "ignore"] = "ignore"
    #: Whether its sentiments are learned.
    sentiment: bool = True
    #: Other names for its types when they are asked for as open types, one of which is drawn:
    #: "ORG=organization|company".
    rename: tuple[str, ...] = ()
    #: Train on the text alone, over the audio of another clip: only the sentiment learns.
    text_only: bool = False
    #: Share of examples whose entities are rendered in `suffix` although the model's format is another.
    suffix: float = 0.0
    #: Share of examples that are asked for the plain transcript although they carry entities.
    plain: float = 0.0
    #: The plain mean over tokens, UniSLU's eq. 4-5 as written or without the end token in the task's length,
    #: or the sum of both parts' means.
    loss: Weighting = "plain"
    #: Factor on the loss of its examples.
    loss_weight: float = 1.0
    #: By default transcripts are learned by cross-entropy, as they are.
    teacher: TeacherConfig | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        positive = {"loss_weight": self.loss_weight}
        if self.teacher is not None:
            positive["teacher.weight"] = self.teacher.weight
            positive["teacher.temperature"] = self.teacher.temperature
        for name, value in positive.items():
            if not (math.isfinite(value) and value > 0):
                raise RecipeError(f"corpus {self.manifest!r}: {name} {value!r} must be a positive number")
        own = self.teacher is not None and self.teacher.text == "own"
        if own and (self.entities != "ignore" or self.text_only):
            raise RecipeError(
                f"corpus {self.manifest!r}: the teacher's own text has no entities and needs audio: set "
                "teacher.text: record, or leave out entities and text_only"
            )
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise RecipeError(f"corpus {self.manifest!r}: weight {self.weight!r} must be a positive number")
        shares = {"suffix": self.suffix, "plain": self.plain}
        if self.teacher is not None:
            shares["teacher.agreement"] = self.teacher.agreement
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise RecipeError(
                    f"corpus {self.manifest!r}: {name} {share!r} is not a share between 0 and 1"
                )
        self.synonyms()

    def synonyms(self) -> dict[str, list[str]]:
        """`rename` as {normalised type: names}."""
        names = {}
        for line in self.rename:
            old, equals, new = line.partition("=")
            if not equals or not normalize_type(old) or not all(map(normalize_type, new.split("|"))):
                raise RecipeError(
                    f"corpus {self.manifest!r}: rename {line!r} is not of the form TYPE=name|name"
                )
            names[normalize_type(old)] = [normalize_type(name) for name in new.split("|")]
        return names


@dataclass(frozen=True)
class OptimizerConfig:
    lr: float = 5e-5
    new_rows_lr: float = 5e-4
    weight_decay: float = 0.01
    #: As `weight_decay`, towards the weights that the run begins with in place of 0.
    towards_start: float = 0.0
    warmup_ratio: float = 0.05
    #: Share of the steps at the peak, between warm-up and decay.
    hold_ratio: float = 0.0
    decay: Literal["linear", "cosine", "exponential", "constant"] = "linear"
    #: `exponential` ends at this share of the peak.
    final_scale: float = 0.05
    clip: float = 1.0


@dataclass(frozen=True)
class AudioConfig:
    """How clips are given to the encoder."""

    #: `none`: the clip. `full`: the clip and silence up to 30 s, as Whisper was pretrained.
    padding: Padding = "none"


@dataclass(frozen=True)
class SpecAugmentConfig:
    """SpecAugment on the log-mel; spans in frames and mel bins. Not applied to cached encoder outputs."""

    time_masks: int = 0
    time_width: int = 30
    mel_masks: int = 0
    mel_width: int = 20


@dataclass(frozen=True)
class DecodeConfig:
    """How evaluation decodes (UniSLU, Table 2)."""

    beam: int = 1
    #: 0 takes the likeliest token; above 0 tokens are drawn.
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    #: Of what is drawn; by default the run's.
    seed: int | None = None
    #: Let the grammar forbid what would not parse; the papers' models wrote freely.
    constrained: bool = False
    #: Entities of a list after the transcript (suffix): those that the transcript holds, or all that are
    #: listed, as the papers score them.
    phrases: Literal["located", "listed"] = "located"


@dataclass(frozen=True)
class EvaluationConfig:
    """Evaluation while training; the checkpoint with the best `metric` is kept as `best`."""

    manifests: tuple[str, ...] = ()
    #: Scored once, whole, with the finished run's checkpoint, into `scores.json`.
    test: tuple[str, ...] = ()
    entities: Literal["closed", "open", "ignore"] = "closed"
    #: Which open types each record is asked for: its own and as many absent ones, or all of its manifest.
    asked: Literal["balanced", "all"] = "balanced"
    sentiment: bool = True
    every: int = 500
    #: Keep the checkpoint of each of these steps, as `step-N`; each is as large as the model.
    keep: bool = False
    limit: int = 100
    profile: Literal["slue", "unislu", "whisperner"] = "unislu"
    #: Of the dev manifests together; `slue` is the SLUE score of one with entities and one with sentiments.
    metric: Literal["wer", "ner.f1", "ner.label_f1", "sa.f1", "slue"] = "ner.f1"


@dataclass(frozen=True)
class Recipe:
    """A training run."""

    name: str
    model: AnyModel
    corpora: tuple[CorpusConfig, ...]
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    prompts: PromptConfig = field(default_factory=PromptConfig)
    audio: AudioConfig = field(default_factory=AudioConfig)
    spec_augment: SpecAugmentConfig = field(default_factory=SpecAugmentConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)
    seed: int = 0
    epochs: float = 1.0
    max_steps: int | None = None
    batch_size: int = 16
    #: Batches whose gradients make one step.
    accumulate: int = 1
    #: A batch's loss is the mean over its examples, or over their tokens as UniSLU's released code does.
    reduction: Literal["examples", "tokens"] = "tokens"
    #: `bf16` computes in bfloat16 what bears it; weights and the optimizer stay in float32.
    precision: Literal["fp32", "bf16"] = "fp32"
    #: Keep the inputs of layers alone and compute the rest again in the backward pass.
    gradient_checkpointing: bool = False
    #: Folder of cached encoder outputs; needs a frozen encoder. `null` encodes while training.
    encoder_cache: str | None = None
    checkpoint_every: int = 500
    #: Threads of one process on a CPU; 0 leaves PyTorch's choice.
    threads: int = 0
    out: str = "runs"

    def __post_init__(self) -> None:
        positive = {"epochs": self.epochs, "batch_size": self.batch_size, "optimizer.lr": self.optimizer.lr,
                    "checkpoint_every": self.checkpoint_every, "accumulate": self.accumulate,
                    "evaluation.every": self.evaluation.every}  # fmt: skip
        for key, value in positive.items():
            if not (math.isfinite(value) and value > 0):
                raise RecipeError(f"recipe key {key!r}: {value!r} must be a positive number")
        if not 0 <= (pull := self.optimizer.towards_start) < math.inf:
            raise RecipeError(f"recipe key 'optimizer.towards_start': {pull!r} must be 0 or positive")
        if not self.corpora:
            raise RecipeError("recipe key 'corpora': at least one corpus is needed")
        if self.encoder_cache and not (self.model.kind == "whisper" and self.model.freeze_encoder):
            raise RecipeError(
                "recipe key 'encoder_cache': needs a model of kind whisper with freeze_encoder: true, "
                "since a cache cannot learn"
            )
        if self.spec_augment != SpecAugmentConfig() and self.model.kind != "whisper":
            raise RecipeError(
                "recipe key 'spec_augment': belongs to models of kind whisper; wav2vec 2.0 has model.mask"
            )
        for corpus in self.corpora:
            self._check_teacher(corpus)
        if not 0 <= self.prompts.dropout < 1:
            raise RecipeError(f"recipe key 'prompts.dropout': {self.prompts.dropout!r} is not in [0, 1)")

    def _check_teacher(self, corpus: CorpusConfig) -> None:
        """Raises `RecipeError` for a teacher, or a factor on losses, that the model cannot have."""
        model = self.model
        words = isinstance(model, ModelConfig) and model.learns != "tags" and model.alphabet == "atomic"
        for name, given in (
            ("teacher", corpus.teacher is not None),
            ("loss_weight", corpus.loss_weight != 1.0),
        ):
            if given and not words:
                raise RecipeError(
                    f"corpus {corpus.manifest!r}: {name} needs a model of kind whisper that learns words, in "
                    "the atomic alphabet"
                )


def drawn_by(recipe: Recipe) -> DecodeConfig:
    """How a recipe's model decodes, with the seed of its draws."""
    seed = recipe.seed if recipe.decode.seed is None else recipe.decode.seed
    return dataclasses.replace(recipe.decode, seed=seed)


def load_recipe(path: str | Path, overrides: Sequence[str] = (), *, tiny: str | Path | None = None) -> Recipe:
    """Read a YAML recipe, apply `key=value` overrides, expand `${VARIABLES}` of the environment.

    Args:
        path: the YAML file; `${HERE}` in its strings is its folder.
        overrides: applied last.
        tiny: a folder that `unislu.training.smoke` made: the section `smoke` is merged in, `${TINY}` in it
            is that folder, and its corpora take the place of the recipe's.

    Raises:
        RecipeError: unreadable file, unknown key, wrong type or impossible value.
    """
    raw = read_yaml(path)
    changes = raw.pop("smoke", {})
    if tiny is not None:
        raw = _tried(merge(raw, _placed(changes, "${TINY}", Path(tiny))), Path(tiny))
    override(raw, overrides)
    return build(Recipe, _placed(raw, "${HERE}", Path(path).parent))


def _placed(value: Any, name: str, folder: Path) -> Any:
    """The value with a folder in place of its name."""
    if isinstance(value, dict):
        return {key: _placed(item, name, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [_placed(item, name, folder) for item in value]
    return value.replace(name, str(folder)) if isinstance(value, str) else value


def _tried(raw: dict[str, Any], tiny: Path) -> dict[str, Any]:
    """The recipe over the tiny corpora, writing beside them; those it is evaluated on lie as real ones do."""

    def placed(manifest: str) -> str:
        found = tiny / str(manifest).replace("${DATA}", "data")
        return str(found if found.is_file() else tiny / "corpus" / "manifest.jsonl")

    corpora = [{**corpus, "manifest": placed("")} for corpus in raw.get("corpora") or ()]
    evaluation = raw.get("evaluation") or {}
    keys = [key for key in ("manifests", "test") if evaluation.get(key)]
    named = {key: list(dict.fromkeys(map(placed, evaluation[key]))) for key in keys}
    return {**raw, "corpora": corpora, "evaluation": {**evaluation, **named}, "out": str(tiny / "runs")}


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain values, for logs and the bundle's provenance."""
    return dataclasses.asdict(recipe)
