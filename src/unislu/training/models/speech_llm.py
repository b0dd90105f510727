"""A speech encoder, an adapter of two linear layers, and a causal language model (UniSLU, section 4.4).

The adapter turns `stride` encoder frames at a time into one position of the language model, which reads
`<before> speech <after>` and goes on with the same `suffix` sequence that the other models write; its tokens
are new rows beside the language model's own. In the first stage the adapter learns alone; with LoRA, adapter,
low-rank updates and new rows learn, and the language model itself stays as it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unislu.errors import MissingDependencyError, RecipeError
from unislu.sequence import LabelSet, Vocabulary, WhisperTokenizer
from unislu.sequence.vocabulary import END
from unislu.training.checkpoint import Checkpoint, tokenizer_file_of, write_unislu
from unislu.training.config import OptimizerConfig
from unislu.training.loss import Tensors, batch_loss, token_losses
from unislu.training.model_config import SpeechLlmConfig
from unislu.training.models.encoders import SpeechEncoder, load_encoder, load_weights, save_weights
from unislu.training.models.lora import MARK, add_low_rank, linear_layers
from unislu.training.protocol import decay_groups

KIND = "speech-llm"
CHAT_END = "<|im_end|>"


@dataclass
class LlmBatch(Tensors):
    """A batch for a speech LLM; tokens, labels, parts, weighting as in `unislu.training.collate.Batch`."""

    tokens: Tensor
    labels: Tensor
    parts: Tensor
    weighting: Tensor
    audio: Tensor
    """Features `[batch, frames, …]` float32."""
    lengths: Tensor
    """True lengths `[batch]` int64."""


class Adapter(nn.Module):
    """Two linear layers over `stride` neighbouring frames."""

    def __init__(self, width: int, stride: int, inner: int, out: int):
        super().__init__()
        self.stride = stride
        self.first = nn.Linear(width * stride, inner)
        self.second = nn.Linear(inner, out)

    def forward(self, hidden: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`[batch, frames, width]` to `[batch, ceil(frames / stride), out]`, and the true lengths.

        The last group of a clip is filled up with zeros.
        """
        inside = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]
        hidden = F.pad(hidden * inside[..., None], (0, 0, 0, -hidden.shape[1] % self.stride))
        stacked = hidden.unflatten(1, (-1, self.stride)).flatten(2)
        return self.second(F.relu(self.first(stacked))), -(-lengths // self.stride)


class SpeechLlm(nn.Module):
    """Encoder, adapter, language model, and the rows of new tokens."""

    def __init__(self, encoder: SpeechEncoder, lm: Any, vocabulary: Vocabulary, config: SpeechLlmConfig):
        super().__init__()
        self.encoder, self.lm, self.vocabulary, self.config = encoder, lm, vocabulary, config
        rows = lm.get_input_embeddings().weight
        width = int(rows.shape[1])
        self.adapter = Adapter(encoder.width, config.stride, config.adapter_width, width)
        count = vocabulary.size - self.old_rows
        noise = 0.02 * torch.randn(count, width, generator=torch.Generator().manual_seed(0))
        #: Input rows of the new tokens, and output rows where the language model's are not the same.
        self.new_rows = nn.Parameter(rows.detach().float().mean(0).cpu() + noise)
        self.tied = bool(lm.config.tie_word_embeddings)
        self.new_outputs = None if self.tied else nn.Parameter(self.new_rows.detach().clone())
        self._before, self._after = (
            template_ids(vocabulary, part) for part in config.template.split("{audio}")
        )
        self._freeze()

    def _freeze(self) -> None:
        for name, parameter in self.lm.named_parameters():
            parameter.requires_grad_(MARK in name)
        self.encoder.freeze(self.config.freeze_encoder, self.config.freeze_encoder)
        for rows in (self.new_rows, self.new_outputs):
            if rows is not None:  # the first stage writes none of the new tokens
                rows.requires_grad_(self.config.lora is not None)

    @property
    def old_rows(self) -> int:
        """Rows of the language model's own embedding."""
        return int(self.lm.get_input_embeddings().weight.shape[0])

    @property
    def ends(self) -> frozenset[int]:
        """The tokens that end the language model's own answers: of its settings, and of Qwen's chat form."""
        named = getattr(self.lm.generation_config, "eos_token_id", None)
        listed = named if isinstance(named, list) else [named]
        found = (*listed, self.vocabulary.ids.get(CHAT_END))
        return frozenset(int(id_) for id_ in found if id_ is not None)

    @property
    def after(self) -> tuple[int, ...]:
        """The tokens between the speech and the output."""
        return self._after

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeddings `[…, d]` of token ids, in the language model's type."""
        table = self.lm.get_input_embeddings()
        is_new = tokens >= self.old_rows
        old = table(tokens.masked_fill(is_new, 0))
        new = F.embedding((tokens - self.old_rows).clamp(min=0), self.new_rows).to(old.dtype)
        return torch.where(is_new[..., None], new, old)

    def output_rows(self) -> tuple[Tensor, Tensor]:
        """The output projection in two blocks of rows."""
        old = self.lm.get_output_embeddings().weight
        return old, (self.new_rows if self.new_outputs is None else self.new_outputs).to(old.dtype)

    def embed_speech(self, audio: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`<before>` and the speech for the language model, `[batch, positions, d]`, and true lengths."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_encoder):
            hidden, counts = self.encoder(audio, lengths)
        speech, counts = self.adapter(hidden, counts)
        before = self.embed(torch.tensor(self._before, dtype=torch.long, device=audio.device))
        speech = torch.cat([before.expand(len(speech), -1, -1), speech.to(before.dtype)], dim=1)
        return speech, counts + len(self._before)

    def forward(self, batch: LlmBatch, reduction: str = "tokens") -> Tensor:
        """Loss of a batch, weighted as every model's (scalar)."""
        speech, counts = self.embed_speech(batch.audio, batch.lengths)
        # Each row is speech, tokens, padding, without a gap: the positions count on.
        embedded = self.embed(batch.tokens)
        longest = speech.shape[1] + embedded.shape[1]
        place = torch.arange(longest, device=speech.device)[None] - counts[:, None]
        both = torch.cat([speech, embedded], dim=1)
        source = torch.where(place < 0, place + counts[:, None], place + speech.shape[1])
        source = source.clamp(max=longest - 1)
        inputs = both.gather(1, source[..., None].expand(-1, -1, both.shape[2]))
        mask = (place < batch.tokens.shape[1]).long()
        hidden = self.lm.get_decoder()(inputs_embeds=inputs, attention_mask=mask).last_hidden_state
        at = counts[:, None] + torch.arange(batch.tokens.shape[1], device=hidden.device)
        states = hidden.gather(1, at[..., None].expand(-1, -1, hidden.shape[2]))
        losses = token_losses(states, self.output_rows(), batch.labels)
        return batch_loss(losses, batch.labels, batch.parts, batch.weighting, reduction)

    def train(self, mode: bool = True) -> SpeechLlm:
        """A frozen encoder stays in evaluation mode: its dropout would only be noise."""
        super().train(mode)
        if self.config.freeze_encoder:
            self.encoder.eval()
        return self

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Only what can differ from the pretrained parts: checkpoints stay small."""
        whole = super().state_dict(*args, **kwargs)
        return {name: value for name, value in whole.items() if self._is_ours(name)}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """The counterpart of `state_dict`; LoRA starts fresh after a first stage, which has none."""
        known = set(self.state_dict())
        unknown = sorted(set(state) - known)
        missing = sorted(name for name in known - set(state) if MARK not in name)
        if strict and (unknown or missing):
            raise RuntimeError(f"unknown {unknown[:3]}, missing {missing[:3]}")
        super().load_state_dict(state, strict=False, assign=assign)
        return torch.nn.modules.module._IncompatibleKeys(missing, unknown)

    def _is_ours(self, name: str) -> bool:
        if name.startswith("lm."):
            return MARK in name
        return not (name.startswith("encoder.") and self.config.freeze_encoder)

    def at_step(self, step: int) -> None:
        """Everything that learns does so from the first step on."""

    def parameter_groups(self, config: OptimizerConfig) -> list[dict[str, Any]]:
        """Adapter, LoRA and encoder; the new rows have their own learning rate."""
        new = [p for p in (self.new_rows, self.new_outputs) if p is not None and p.requires_grad]
        rest = [p for p in self.parameters() if all(p is not row for row in new)]
        groups = decay_groups(rest, config)
        return [*groups, {"params": new, "lr": config.new_rows_lr, "weight_decay": 0.0}] if new else groups

    def describe(self) -> dict[str, Any]:
        """See `Trainable.describe`."""
        return {"kind": KIND, "vocabulary": self.vocabulary.to_manifest(), "format": "suffix"}

    def save(self, folder: Path, unislu: dict[str, Any]) -> None:
        """Write the trained weights and the names of the pretrained models; these are not copied."""
        save_weights(self, folder)
        write_unislu(folder, {**unislu, "model": {**asdict(self.config), "backbone": None}})


def template_ids(vocabulary: Vocabulary, text: str) -> tuple[int, ...]:
    """The ids of a piece of the template; names of the language model's special tokens are those tokens."""
    special = sorted((n for n in vocabulary.ids if n.startswith("<|")), key=len, reverse=True)
    pieces = re.split("(" + "|".join(map(re.escape, special)) + ")", text) if special else [text]
    ids: list[int] = []
    for piece in pieces:
        ids += [vocabulary[piece]] if piece in special else vocabulary.tokenizer.encode(piece)
    return tuple(ids)


def load_speech_llm(config: SpeechLlmConfig, labels: LabelSet) -> SpeechLlm:
    """A speech LLM from its pretrained parts, and from a checkpoint's adapter where one is named.

    Raises:
        RecipeError: a part cannot be loaded, or is of a kind that does not fit.
        MissingDependencyError: LoRA without peft, or 4 bits without bitsandbytes.
    """
    encoder = load_encoder(config.encoder, "model.encoder")
    lm = _load_lm(config)
    try:
        tokenizer = WhisperTokenizer.from_file(tokenizer_file_of(config.lm))
    except ValueError as error:
        raise RecipeError(f"recipe key 'model.lm': {config.lm!r}: {error}") from error
    rows = int(lm.get_input_embeddings().weight.shape[0])
    existing = tokenizer.special_tokens
    if END not in existing:
        raise RecipeError(f"recipe key 'model.lm': the tokenizer of {config.lm!r} has no {END}")
    vocabulary = Vocabulary.extend(tokenizer, rows, existing, labels, required=(END,))
    if config.lora is not None:
        add_low_rank(lm, config.lora, linear_layers(lm))
    model = SpeechLlm(encoder, lm, vocabulary, config)
    if config.backbone is not None:
        if Checkpoint.backbone(config.backbone, KIND) is None:
            raise RecipeError(
                f"recipe key 'model.backbone': {config.backbone!r} is no checkpoint of a speech LLM; "
                "the language model is model.lm"
            )
        load_weights(model, config.backbone)
    return model


def _load_lm(config: SpeechLlmConfig) -> Any:
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"dtype": getattr(torch, config.dtype)}
    if config.quantize == "4bit":
        options["quantization_config"] = _four_bits(config)
    try:
        return AutoModelForCausalLM.from_pretrained(config.lm, **options)
    except (OSError, ValueError) as error:
        raise RecipeError(f"recipe key 'model.lm': cannot load {config.lm!r}: {error}") from error


def _four_bits(config: SpeechLlmConfig) -> Any:
    from importlib.util import find_spec

    if find_spec("bitsandbytes") is None:
        raise MissingDependencyError(
            "recipe key 'model.quantize': 4-bit weights need bitsandbytes and a GPU: pip install bitsandbytes"
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, config.dtype),
    )  # fmt: skip
