"""Whisper with an extended vocabulary and true-length audio."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from unislu.errors import BundleError, RecipeError
from unislu.sequence import SLUE, LabelSet, Vocabulary, WhisperTokenizer
from unislu.sequence.vocabulary import END, control_names
from unislu.training.cache import Encoder
from unislu.training.checkpoint import Checkpoint, tokenizer_file_of, write_unislu
from unislu.training.config import OptimizerConfig
from unislu.training.loss import IGNORE, batch_loss, choice_losses, distillation_losses, token_losses
from unislu.training.model_config import ModelConfig
from unislu.training.models.lora import add_low_rank, linear_layers, merge_low_rank
from unislu.training.protocol import decay_groups

if TYPE_CHECKING:
    from transformers import WhisperForConditionalGeneration

    from unislu.training.collate import Batch


class UnifiedWhisper(nn.Module):
    """A Whisper backbone whose new tokens have separate rows, so that the old ones can stay fixed.

    The embedding of all tokens is `cat(old rows, new rows)`, tied to the output projection as in Whisper.
    """

    text: Tensor
    """Which tokens a transcript consists of, the end among them: bool `[vocab]`."""

    def __init__(
        self,
        backbone: WhisperForConditionalGeneration,
        vocabulary: Vocabulary,
        config: ModelConfig,
        tokenizer_file: Path,
        new_rows: Tensor | None = None,
    ):
        """`new_rows` `[new tokens, d]`: learned before; by default they start from the old rows."""
        super().__init__()
        self.tokenizer_file = tokenizer_file
        self.backbone = backbone
        self.vocabulary = vocabulary
        self.config = config
        self.backbone.config.use_cache = False
        old = backbone.model.decoder.embed_tokens.weight
        missing = vocabulary.size - old.shape[0]
        if new_rows is None:  # they start at the mean embedding plus a little noise
            noise = torch.randn(missing, old.shape[1], generator=torch.Generator().manual_seed(0))
            new_rows = old.detach().float().mean(0) + 0.02 * noise
        self.new_rows = nn.Parameter(new_rows)
        text = torch.zeros(vocabulary.size, dtype=torch.bool)
        text[[*vocabulary.text_ids, vocabulary[END]]] = True
        self.register_buffer("text", text, persistent=False)
        self._freeze(config)

    def _freeze(self, config: ModelConfig) -> None:
        model = self.backbone.model
        model.encoder.requires_grad_(not config.freeze_encoder)
        model.encoder.embed_positions.requires_grad_(False)
        self.new_rows.requires_grad_(config.learns != "words")
        model.decoder.embed_tokens.requires_grad_(not config.freeze_embeddings)
        for layer in model.decoder.layers:
            layer.encoder_attn.k_proj.requires_grad_(not config.freeze_cross_kv)
            layer.encoder_attn.v_proj.requires_grad_(not config.freeze_cross_kv)
        if config.lora is not None:
            learns = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
            layers = [name for name in linear_layers(model) if learns[f"{name}.weight"]]
            add_low_rank(model, config.lora, layers)

    def embedding(self) -> Tensor:
        """All rows `[vocab, d]`, as a copy."""
        return torch.cat([self.backbone.model.decoder.embed_tokens.weight, self.new_rows]).detach()

    def _embed(self, tokens: Tensor) -> Tensor:
        """Embeddings `[batch, tokens, d]`, with gradients only for rows that learn."""
        old = self.backbone.model.decoder.embed_tokens.weight
        if not len(self.new_rows):
            return F.embedding(tokens, old)
        is_new = tokens >= old.shape[0]
        embedded = F.embedding(tokens.masked_fill(is_new, 0), old)
        added = F.embedding((tokens - old.shape[0]).clamp(min=0), self.new_rows)
        return torch.where(is_new[..., None], added, embedded)

    def encode(self, mel: Tensor, frames: Tensor) -> Tensor:
        """Encoder output of true-length audio.

        Args:
            mel: log-mel `[batch, 80, frames]` float32, padded to the longest.
            frames: true lengths `[batch]` int64.

        Returns:
            `[batch, ceil(frames / 2), d]`; positions past an example's own length are not meaningful.
        """
        encoder = self.backbone.model.encoder
        inside = torch.arange(mel.shape[2], device=mel.device)[None] < frames[:, None]
        x = F.gelu(encoder.conv1(mel * inside[:, None]))
        x = F.gelu(encoder.conv2(x * inside[:, None])).permute(0, 2, 1)
        x = x + encoder.embed_positions.weight[: x.shape[1]]
        x = F.dropout(x, p=encoder.dropout, training=self.training)
        keys = torch.arange(x.shape[1], device=x.device)[None] < (frames // 2)[:, None]
        mask = keys[:, None, None, :].expand(-1, 1, x.shape[1], -1)
        for layer in encoder.layers:
            output = layer(x, mask)
            x = output[0] if isinstance(output, tuple) else output
        return encoder.layer_norm(x)

    def decode(self, tokens: Tensor, memory: Tensor, memory_lengths: Tensor) -> Tensor:
        """Decoder states `[batch, tokens, d]`: token ids `[batch, tokens]` over memory `[batch, time, d]`."""
        decoder = self.backbone.model.decoder
        embedded = self._embed(tokens)
        # The memory is padded: a boolean mask keeps each row inside its own audio.
        keys = torch.arange(memory.shape[1], device=memory.device)[None] < memory_lengths[:, None]
        x = embedded + decoder.embed_positions.weight[: tokens.shape[1]]
        x = F.dropout(x, p=decoder.dropout, training=self.training)
        n = tokens.shape[1]
        causal = torch.ones(n, n, dtype=torch.bool, device=x.device).tril()[None, None]
        cross = keys[:, None, None, :].expand(-1, 1, n, -1)
        for layer in decoder.layers:
            output = layer(
                x, attention_mask=causal, encoder_hidden_states=memory, encoder_attention_mask=cross
            )
            x = output[0] if isinstance(output, tuple) else output
        return decoder.layer_norm(x)

    def forward(self, batch: Batch, reduction: str = "tokens") -> Tensor:
        """Loss of a batch (scalar)."""
        if batch.memory is not None:
            memory, lengths = batch.memory, batch.lengths
        elif batch.mel is not None:
            memory, lengths = self.encode(batch.mel, batch.lengths), batch.lengths // 2
        else:
            raise RecipeError("a batch has neither audio nor cached encoder outputs")
        hidden = self.decode(batch.tokens, memory, lengths)
        # Two products instead of one over joined rows: frozen rows then cost no weight gradient.
        rows = (self.backbone.model.decoder.embed_tokens.weight, self.new_rows)
        if batch.allowed is None:
            losses = self._losses(hidden, rows, batch)
        else:
            losses = choice_losses(hidden, rows, batch.labels, batch.allowed)
        return batch_loss(losses, batch.labels, batch.parts, batch.weighting, reduction, batch.scale)

    def _losses(self, hidden: Tensor, rows: Sequence[Tensor], batch: Batch) -> Tensor:
        """Loss of each position: of what the record says, and of what a teacher would have said."""
        words = self.config.learns == "words"
        among = self.text if words else None
        if batch.soft is None:
            return token_losses(hidden, rows, batch.labels, among)
        rest = batch.labels.masked_fill(batch.soft.places, IGNORE)
        taught = distillation_losses(hidden, rows, batch.soft, self.text, words)
        return token_losses(hidden, rows, rest, among) + taught

    def at_step(self, step: int) -> None:
        """Everything learns from the first step on."""

    def parameter_groups(self, config: OptimizerConfig) -> list[dict[str, Any]]:
        """New rows have their own learning rate, and neither they, norms nor biases decay."""
        rest = [p for p in self.parameters() if p is not self.new_rows]
        new = {"params": [self.new_rows], "lr": config.new_rows_lr, "weight_decay": 0.0}
        learning = len(self.new_rows) and self.new_rows.requires_grad
        return [*decay_groups(rest, config), *([new] if learning else [])]

    def describe(self) -> dict[str, Any]:
        """See `Trainable.describe`."""
        return {
            "kind": "whisper",
            "vocabulary": self.vocabulary.to_manifest(),
            "format": self.config.format,
            "alphabet": self.config.alphabet,
            "leading_blank": self.config.leading_blank,
        }

    def merged(self) -> WhisperForConditionalGeneration:
        """A plain Hugging Face model with all rows in one embedding, for export and evaluation."""
        import copy

        model = copy.deepcopy(self.backbone)
        if self.config.lora is not None:
            merge_low_rank(model)
        rows = self.embedding()
        model.model.decoder.embed_tokens = nn.Embedding.from_pretrained(rows, freeze=False)
        model.proj_out = nn.Linear(rows.shape[1], rows.shape[0], bias=False)
        model.proj_out.weight = model.model.decoder.embed_tokens.weight
        model.config.vocab_size = rows.shape[0]
        model.config.use_cache = True
        return model

    def save(self, folder: Path, unislu: dict[str, Any]) -> None:
        """Write a Hugging Face folder plus `unislu.json` (vocabulary, format, labels, provenance)."""
        folder.mkdir(parents=True, exist_ok=True)
        self.merged().save_pretrained(folder)
        shutil.copyfile(self.tokenizer_file, folder / "tokenizer.json")
        write_unislu(folder, unislu)


def load_unified(config: ModelConfig, labels: LabelSet) -> UnifiedWhisper:
    """The backbone of a recipe with its vocabulary extended by the labels' tokens.

    A backbone that is a checkpoint of ours has them already and keeps its vocabulary and its learned rows.

    Raises:
        RecipeError: the backbone cannot be loaded, or was trained for other labels.
    """
    from transformers import WhisperForConditionalGeneration

    try:
        backbone = WhisperForConditionalGeneration.from_pretrained(config.backbone, dtype=torch.float32)
        tokenizer_file = tokenizer_file_of(config.backbone)
        tokenizer = WhisperTokenizer.from_file(tokenizer_file)
    except (OSError, ValueError) as error:
        raise RecipeError(f"recipe key 'model.backbone': cannot load {config.backbone!r}: {error}") from error
    _check_merges(tokenizer, tokenizer_file)
    if (known := Checkpoint.backbone(config.backbone, "whisper")) is not None:
        return _continued(known, backbone, config, tokenizer, tokenizer_file, labels)
    rows = backbone.model.decoder.embed_tokens.weight.shape[0]
    make = Vocabulary if config.alphabet == "plain" else Vocabulary.extend
    vocabulary = make(tokenizer, rows, tokenizer.special_tokens, labels)
    return UnifiedWhisper(backbone, vocabulary, config, tokenizer_file)


def _continued(
    known: Checkpoint,
    backbone: WhisperForConditionalGeneration,
    config: ModelConfig,
    tokenizer: WhisperTokenizer,
    tokenizer_file: Path,
    labels: LabelSet,
) -> UnifiedWhisper:
    """A model that continues a checkpoint, whose embedding is split again into old and new rows."""
    try:
        vocabulary = known.decoded_with(tokenizer)
    except BundleError as error:
        raise RecipeError(f"recipe key 'model.backbone': {error}") from error
    if vocabulary.labels != labels:
        raise RecipeError(
            f"recipe key 'model.backbone': {config.backbone!r} was trained for "
            f"{vocabulary.labels}, not {labels}"
        )
    if known.alphabet != config.alphabet:
        raise RecipeError(
            f"recipe key 'model.alphabet': {config.backbone!r} was trained with "
            f"{known.alphabet!r}, not {config.alphabet!r}"
        )
    if config.alphabet == "plain":
        return UnifiedWhisper(backbone, vocabulary, config, tokenizer_file)
    rows = backbone.model.decoder.embed_tokens.weight.detach()
    old = min(vocabulary[name] for name in control_names(labels))
    backbone.resize_token_embeddings(old)
    return UnifiedWhisper(backbone, vocabulary, config, tokenizer_file, rows[old:].clone())


def _check_merges(tokenizer: WhisperTokenizer, path: Path) -> None:
    """Find a tokenizer file whose first merge was lost in a conversion.

    Such a file still works, but splits every word that begins with `t` behind its blank: ids that Whisper
    never saw.
    """
    pieces = {tokenizer.text_bytes[i] for i in tokenizer.encode(" t")}
    if b" t" in tokenizer.text_bytes.values() and b" t" not in pieces:
        raise RecipeError(f"{path}: the merge `Ġ t` is missing: insert it as the first of model.merges")


def torch_encoder(backbone: str) -> tuple[Encoder, int]:
    """The encoder of a Hugging Face Whisper folder: `(encode, d)`."""
    model = load_unified(ModelConfig(backbone), SLUE).eval()

    @torch.inference_mode()
    def encode(mel: NDArray[np.float32]) -> NDArray[np.float32]:
        even = torch.from_numpy(mel[None, :, : mel.shape[1] // 2 * 2])
        hidden: NDArray[np.float32] = model.encode(even, torch.tensor([even.shape[2]]))[0].numpy()
        return hidden

    return encode, model.backbone.config.d_model
