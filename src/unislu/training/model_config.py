"""The section `model` of a recipe: the kinds of models, and what of each learns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from unislu.errors import RecipeError

_COPIES = ("copy", "copy-open")
_TAGGERS = (("inline", "atomic"), ("inline-open", "atomic"))


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank updates of linear layers, which learn in place of the layers' own weights."""

    r: int = 32
    alpha: int = 32
    dropout: float = 0.05
    #: Names of linear layers; by default those of attention: queries, keys, values, output.
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.r < 1 or self.alpha < 1:
            raise RecipeError(
                f"recipe keys 'model.lora.r' and 'model.lora.alpha': {self.r!r} and {self.alpha!r} must be "
                "positive"
            )
        if not 0 <= self.dropout < 1:
            raise RecipeError(f"recipe key 'model.lora.dropout': {self.dropout!r} is not in [0, 1)")


@dataclass(frozen=True)
class ModelConfig:
    """Whisper: the backbone and what of it learns."""

    #: Folder or hub name of a Hugging Face Whisper model, or a checkpoint of `unislu train` to go on from.
    backbone: str
    kind: Literal["whisper"] = "whisper"
    format: Literal["inline", "inline-open", "suffix", "bio", "copy", "copy-open"] = "inline"
    #: How delimiters are written: as new tokens, or as text like the published WhisperNER.
    alphabet: Literal["atomic", "plain"] = "atomic"
    #: Whether a blank stands before the first word, as Whisper writes it; the published WhisperNER, whose
    #: alphabet is `plain`, has none.
    leading_blank: bool = True
    freeze_encoder: bool = False
    #: Keep the token embedding of the backbone; only the rows of new tokens learn.
    freeze_embeddings: bool = False
    #: Keep the projections of the encoder output to cross-attention keys and values.
    freeze_cross_kv: bool = False
    #: Low-rank updates of what is not kept learn, and new tokens; all weights of the backbone stay. They are
    #: merged into the checkpoints.
    lora: LoraConfig | None = None
    #: All of the sequence; or of a bundle of two decoders what one of them needs. `words`: the transcript,
    #: each token chosen among those of text. `tags`: what is left to choose when the words are given: tags,
    #: their types, the sentiment.
    learns: Literal["all", "words", "tags"] = "all"

    def __post_init__(self) -> None:
        if self.format in _COPIES and self.alphabet != "atomic":
            raise RecipeError(
                f"recipe key 'model.alphabet': the format {self.format} has tokens of its own, so it is "
                f"written in the atomic alphabet, not in {self.alphabet!r}"
            )
        if not self.leading_blank and self.alphabet != "plain":
            raise RecipeError(
                "recipe key 'model.leading_blank': false belongs to the alphabet plain, not to "
                f"{self.alphabet!r}"
            )
        if self.learns == "tags" and (self.format, self.alphabet) not in _TAGGERS:
            raise RecipeError(
                f"recipe key 'model.learns': tags are learned in the formats inline and inline-open and the "
                f"atomic alphabet, not in {self.format!r} and {self.alphabet!r}"
            )


@dataclass(frozen=True)
class MaskConfig:
    """wav2vec 2.0's own masking while fine-tuning: shares of starts, spans in encoder frames or channels."""

    time: float = 0.0
    time_length: int = 10
    channels: float = 0.0
    channels_length: int = 64

    def __post_init__(self) -> None:
        if not (0 <= self.time < 1 and 0 <= self.channels < 1):
            raise RecipeError(
                f"recipe key 'model.mask': shares {self.time!r}, {self.channels!r} not in [0, 1)"
            )


@dataclass(frozen=True)
class EncoderConfig:
    """A pretrained speech encoder and what of it learns; the base of the models with a small head on it."""

    #: Folder or hub name of a wav2vec 2.0 or Whisper model, or a checkpoint of the same kind to go on from.
    backbone: str
    freeze_encoder: bool = False
    #: Keep the convolutions before the transformer.
    freeze_features: bool = True
    #: The head learns alone for so many steps.
    freeze_encoder_steps: int = 0
    #: Share of transformer layers that a training step leaves out.
    layerdrop: float = 0.0
    mask: MaskConfig = field(default_factory=MaskConfig)


@dataclass(frozen=True)
class CtcConfig(EncoderConfig):
    """A speech encoder that writes characters and entity symbols by CTC (SLUE's NER baseline)."""

    kind: Literal["ctc"] = "ctc"
    #: Which entity types it learns: SLUE's, or OntoNotes' 18, mapped to SLUE's in its answers.
    types: Literal["combined", "raw"] = "combined"


@dataclass(frozen=True)
class ClassifierConfig(EncoderConfig):
    """Speech encoder, self-attention pooling, two linear layers (SLUE's sentiment baseline)."""

    kind: Literal["classifier"] = "classifier"
    #: Before each of the two linear layers.
    dropout: float = 0.2


@dataclass(frozen=True)
class SpeechLlmConfig:
    """Speech encoder, adapter of two linear layers, causal language model (UniSLU, section 4.4)."""

    #: Folder or hub name of a Whisper or W2V-BERT 2.0 model, whose encoder is used.
    encoder: str
    #: Folder or hub name of a causal language model with a byte-level BPE, such as Qwen2.5.
    lm: str
    kind: Literal["speech-llm"] = "speech-llm"
    #: A checkpoint of this kind to go on from: the second stage starts from the first one's adapter.
    backbone: str | None = None
    #: None (first stage): only the adapter learns.
    lora: LoraConfig | None = None
    #: So many encoder frames make one position of the language model.
    stride: int = 1
    #: Width between the adapter's two layers.
    adapter_width: int = 2048
    freeze_encoder: bool = True
    #: Load the language model's weights in 4 bits (bitsandbytes, a GPU).
    quantize: Literal["none", "4bit"] = "none"
    dtype: Literal["float32", "bfloat16"] = "float32"
    #: What the language model reads; `{audio}` is the speech.
    template: str = "<|im_start|>user\n{audio}<|im_end|>\n<|im_start|>assistant\n"
    #: Longest output in tokens.
    max_tokens: int = 448

    def __post_init__(self) -> None:
        if self.template.count("{audio}") != 1 or not self.template.partition("{audio}")[2]:
            raise RecipeError(
                f"recipe key 'model.template': {self.template!r} must hold {{audio}} once, with text after it"
            )
        if self.stride < 1 or self.adapter_width < 1 or self.max_tokens < 1:
            raise RecipeError("recipe keys 'model.stride', 'adapter_width' and 'max_tokens' must be positive")


AnyModel = ModelConfig | CtcConfig | ClassifierConfig | SpeechLlmConfig
