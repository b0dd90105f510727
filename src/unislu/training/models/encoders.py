"""Speech encoders behind one interface: samples to features, features to hidden states of true length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unislu.audio import SAMPLE_RATE
from unislu.audio.features import frame_count, log_mel, padded_log_mel, silence_level
from unislu.bundle.manifest import Padding
from unislu.engines.torch import encode_hidden
from unislu.errors import RecipeError
from unislu.evaluation.question import Prediction
from unislu.training.checkpoint import UNISLU, write_unislu
from unislu.training.collate import AudioSource, pad_rows
from unislu.training.config import OptimizerConfig
from unislu.training.examples import Example
from unislu.training.loss import Tensors
from unislu.training.model_config import EncoderConfig, MaskConfig
from unislu.training.protocol import Asked, decay_groups, unlabelled

WEIGHTS = "model.safetensors"
_BATCH = 8
_MASKED = "encoder.module.masked_spec_embed"
_OVERLAP = 2
"""Frames behind a clip whose window still holds some of it."""
FAMILIES = ("whisper", "wav2vec2", "wav2vec2-bert")


class SpeechEncoder(nn.Module):
    """A pretrained encoder: Whisper's, wav2vec 2.0 or W2V-BERT 2.0.

    Its input depends on the family: log-mel `[frames, mels]`, the normalised waveform `[samples]`, or stacked
    filter banks `[frames, 160]`, float32 all.
    """

    def __init__(self, module: Any, family: str):
        super().__init__()
        self.module, self.family = module, family
        config = module.config
        self.width = int(config.d_model if family == "whisper" else config.hidden_size)
        self.padding: Padding = "none"
        self._extractor: Any = None

    def use_padding(self, padding: Padding) -> None:
        """Set what is encoded: the clip alone, or (Whisper) silence behind it up to 30 s.

        What follows the encoder gets the clip's own positions either way. Raises `RecipeError` for an encoder
        that knows no padding.
        """
        if padding == "full" and self.family != "whisper":
            raise RecipeError(
                f"recipe key 'audio.padding': full belongs to Whisper's encoder; {self.family} encodes clips "
                "as long as they are: leave it out"
            )
        self.padding = padding

    def features(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The encoder's input features of mono audio at 16 kHz, `[n]` float32."""
        if self.family == "whisper":
            mels = int(self.module.config.num_mel_bins)
            if self.padding == "none":
                return log_mel(samples, mels).T
            frames = min(self._window, frame_count(len(samples)) + _OVERLAP)
            return padded_log_mel(samples, self._window, mels)[:, :frames].T
        if self.family == "wav2vec2":
            centred = samples - samples.mean()
            return (centred / np.sqrt(centred.var() + 1e-7)).astype(np.float32)
        if self._extractor is None:
            from transformers import SeamlessM4TFeatureExtractor

            self._extractor = SeamlessM4TFeatureExtractor()
        found: NDArray[np.float32] = self._extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="np")[
            "input_features"
        ][0]
        return found

    @property
    def independent(self) -> bool:
        """Whether padding beside a longer clip leaves a clip's output as it is.

        wav2vec 2.0 base normalises over the whole padded length, and was pretrained so.
        """
        return self.family != "wav2vec2" or self.module.config.feat_extract_norm == "layer"

    def forward(self, audio: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states `[batch, positions, width]` and their true lengths `[batch]`.

        Args:
            audio: padded features, `[batch, frames, d]` or `[batch, samples]` float32.
            lengths: true lengths `[batch]` int64 in frames or samples.
        """
        if self.family == "whisper" and self.padding == "full":
            return self._in_silence(audio, lengths)
        if self.family == "whisper":
            return encode_hidden(self.module, audio.transpose(1, 2), lengths)
        inside = (torch.arange(audio.shape[1], device=audio.device) < lengths[:, None]).long()
        mask = inside if self.independent else None
        hidden: Tensor = self.module(audio, attention_mask=mask).last_hidden_state
        if self.family == "wav2vec2":
            lengths = self.module._get_feat_extract_output_lengths(lengths).long()
        return hidden, lengths

    @property
    def _window(self) -> int:
        """Whisper's maximum number of frames."""
        return 2 * int(self.module.config.max_source_positions)

    def _in_silence(self, audio: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, each clip followed by silence up to the window, to the number as Whisper pads."""
        inside = torch.arange(audio.shape[1], device=audio.device) < lengths[:, None]
        loudest = audio.masked_fill(~inside[..., None], float("-inf")).amax((1, 2))
        floor = silence_level(loudest)[:, None, None]
        filled = torch.where(inside[..., None], audio, floor)
        missing = self._window - audio.shape[1]
        filled = torch.cat([filled, floor.expand(-1, missing, audio.shape[2])], dim=1)
        whole = torch.full_like(lengths, self._window)
        hidden, _ = encode_hidden(self.module, filled.transpose(1, 2), whole)
        positions = lengths // 2
        longest = int(positions.max())
        own = torch.arange(longest, device=audio.device) < positions[:, None]
        return hidden[:, :longest] * own[..., None], positions

    def freeze(self, everything: bool, features: bool) -> None:
        """Freeze the whole encoder, or only its feature convolutions."""
        self.module.requires_grad_(not everything)
        if self.family == "whisper":
            self.module.embed_positions.requires_grad_(False)
            if features:
                self.module.conv1.requires_grad_(False)
                self.module.conv2.requires_grad_(False)
        elif self.family == "wav2vec2" and features:
            self.module.feature_extractor.requires_grad_(False)


class EncoderWithHead(nn.Module):
    """A speech encoder, which learns from some step on, and new layers that read it; see `Trainable`."""

    def __init__(self, encoder: SpeechEncoder, config: EncoderConfig):
        super().__init__()
        self.encoder = encoder
        self._encoder_from = config.freeze_encoder_steps
        self._encoder_learns = self._encoder_from == 0
        encoder.freeze(config.freeze_encoder, config.freeze_features)

    def hidden(self, audio: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """As `SpeechEncoder.forward`, without gradients as long as the encoder does not learn."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self._encoder_learns):
            states, positions = self.encoder(audio, lengths)
        return states, positions

    def at_step(self, step: int) -> None:
        """The encoder learns from `freeze_encoder_steps` on."""
        self._encoder_learns = step >= self._encoder_from

    def parameter_groups(self, config: OptimizerConfig) -> list[dict[str, Any]]:
        """New layers have the learning rate of new rows."""
        new = [p for name, p in self.named_parameters() if not name.startswith("encoder.")]
        old = decay_groups(list(self.encoder.parameters()), config)
        return [*old, *decay_groups(new, config, config.new_rows_lr)]

    def save(self, folder: Path, unislu: dict[str, Any]) -> None:
        """Write the weights, the encoder's `config.json`, and `unislu.json`."""
        save_weights(self, folder)
        self.encoder.module.config.save_pretrained(folder)
        write_unislu(folder, unislu)


@dataclass
class AudioBatch(Tensors):
    """Padded features with their lengths and labels."""

    audio: Tensor
    """`[batch, frames, d]` or `[batch, samples]` float32."""
    lengths: Tensor
    """`[batch]` int64."""
    labels: Tensor
    """`[batch, n]` int64, padded with -100 (CTC), or `[batch]` class numbers."""


def pad_clips(
    encoder: SpeechEncoder, source: AudioSource, examples: Sequence[Example]
) -> tuple[Tensor, Tensor]:
    """The features of the examples' clips as one tensor, and their lengths `[batch]`."""
    return pad_rows([encoder.features(source.samples(example)) for example in examples])


@dataclass
class HeadPredictor:
    """A `Predictor` over an encoder with a head."""

    model: Any
    """An `EncoderWithHead`."""
    source: AudioSource
    answers: frozenset[str]
    answer: Callable[[Sequence[Asked], Tensor, Tensor], list[Prediction]]
    """Called with some questions, and the features and lengths of their clips."""

    def to(self, device: str) -> None:
        """See `Predictor.to`."""
        self.model.to(device)

    @torch.inference_mode()
    def __call__(self, asked: Sequence[Asked]) -> list[Prediction]:
        encoder = self.model.eval().encoder
        device = next(self.model.parameters()).device
        size = _BATCH if encoder.independent else 1
        found: list[Prediction] = []
        for first in range(0, len(asked), size):
            some = asked[first : first + size]
            audio, lengths = pad_clips(encoder, self.source, unlabelled(some))
            found += self.answer(some, audio.to(device), lengths.to(device))
        return found


def load_encoder(
    name: str, key: str, mask: MaskConfig | None = None, layerdrop: float = 0.0
) -> SpeechEncoder:
    """The encoder of a Hugging Face folder or hub name, in float32.

    A checkpoint of ours gives the bare architecture; `load_weights` fills it.

    Args:
        name: the folder or hub name. key: the recipe's key it came from, for messages.
        mask: wav2vec 2.0's masking while training. layerdrop: share of its layers left out.

    Raises:
        RecipeError: it cannot be loaded, or is of another family.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(name)
        family = str(config.model_type)
        if family not in FAMILIES:
            raise RecipeError(
                f"recipe key {key!r}: {name!r} is a {family}; give one of {', '.join(FAMILIES)}"
            )
        _set_masking(config, family, mask or MaskConfig(), layerdrop)
        return SpeechEncoder(_module(name, config, family), family)
    except (OSError, ValueError) as error:
        raise RecipeError(f"recipe key {key!r}: cannot load {name!r}: {error}") from error


def _set_masking(config: Any, family: str, mask: MaskConfig, layerdrop: float) -> None:
    if family == "whisper":
        return
    config.layerdrop = layerdrop
    config.mask_time_prob, config.mask_time_length = mask.time, mask.time_length
    config.mask_feature_prob, config.mask_feature_length = mask.channels, mask.channels_length
    config.apply_spec_augment = mask.time > 0 or mask.channels > 0


def _module(name: str, config: Any, family: str) -> Any:
    import transformers

    bare = (Path(name) / UNISLU).exists()
    if family == "whisper":
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        if bare:
            return WhisperEncoder(config)
        model = transformers.WhisperModel.from_pretrained(name, dtype=torch.float32)
        return model.encoder
    kind = transformers.Wav2Vec2Model if family == "wav2vec2" else transformers.Wav2Vec2BertModel
    return kind(config) if bare else kind.from_pretrained(name, config=config, dtype=torch.float32)


def save_weights(model: nn.Module, folder: Path) -> None:
    """Write a model's weights into a folder, which is made."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, str(folder / WEIGHTS))


def load_weights(model: nn.Module, folder: str | Path) -> None:
    """Read what `save_weights` wrote. Raises `RecipeError` if it does not fit."""
    from safetensors.torch import load_file

    try:
        found = load_file(str(Path(folder) / WEIGHTS))
        own = model.state_dict()
        if _MASKED in own:  # the vector that masked positions get exists only where something is masked
            found.setdefault(_MASKED, own[_MASKED])
        else:
            found.pop(_MASKED, None)
        model.load_state_dict(found)
    except (OSError, RuntimeError) as error:
        raise RecipeError(f"{folder}: the weights do not fit this model: {error}") from error
