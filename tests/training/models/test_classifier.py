"""The sentiment baseline: pooling, independence of padding, learning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from unislu.errors import RecipeError  # noqa: E402
from unislu.training.collate import pad_rows  # noqa: E402
from unislu.training.config import CorpusConfig, OptimizerConfig, Recipe  # noqa: E402
from unislu.training.model_config import ClassifierConfig  # noqa: E402
from unislu.training.models.classifier import SelfAttentionPooling, load_classifier  # noqa: E402
from unislu.training.models.encoders import load_encoder  # noqa: E402
from unislu.training.train import Run  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def test_pooling_is_a_weighted_mean_of_what_is_inside() -> None:
    torch.manual_seed(0)
    pooling = SelfAttentionPooling(4)
    hidden = torch.randn(2, 5, 4)
    pooled = pooling(hidden, torch.tensor([5, 3]))
    weights = pooling.score(hidden[1, :3]).squeeze(-1).softmax(0)
    assert torch.allclose(pooled[1], (weights[:, None] * hidden[1, :3]).sum(0), atol=1e-6)
    changed = hidden.clone()
    changed[1, 3:] = 100.0
    assert torch.equal(pooling(changed, torch.tensor([5, 3]))[1], pooled[1])


@pytest.mark.parametrize("family", ["whisper", "w2v-bert"])
def test_a_clip_is_transcribed_alike_beside_a_longer_one(tiny: Path, family: str) -> None:
    encoder = load_encoder(str(tiny / family), "k").eval()
    rng = np.random.default_rng(0)
    features = [encoder.features(rng.standard_normal(n).astype(np.float32)) for n in (16000, 24000)]
    together, lengths = encoder(*pad_rows(features))
    alone, count = encoder(*pad_rows(features[:1]))
    size = int(count[0])
    assert int(lengths[0]) == size and int(lengths[1]) > size
    if (
        family == "w2v-bert"
    ):  # its convolutions see a few padded frames at the end; transformers does the same
        size -= 8
    assert torch.allclose(together[0, :size], alone[0, :size], atol=1e-4)


@pytest.mark.parametrize(
    ("family", "name"), [("wav2vec2", "Wav2Vec2Model"), ("w2v-bert", "Wav2Vec2BertModel")]
)
def test_hidden_states_are_transformers(tiny: Path, family: str, name: str) -> None:
    import transformers

    encoder = load_encoder(str(tiny / family), "k").eval()
    samples = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    hidden, lengths = encoder(*pad_rows([encoder.features(samples)]))
    model = getattr(transformers, name).from_pretrained(tiny / family).eval()
    if family == "wav2vec2":
        heard = transformers.Wav2Vec2FeatureExtractor()(samples, sampling_rate=16000, return_tensors="pt")
        expected = model(heard["input_values"]).last_hidden_state
    else:
        heard = transformers.SeamlessM4TFeatureExtractor()(samples, sampling_rate=16000, return_tensors="pt")
        expected = model(**heard).last_hidden_state
    assert int(lengths[0]) == expected.shape[1]
    assert torch.allclose(hidden, expected, atol=1e-4)


def test_it_learns_six_clips(tiny: Path, tmp_path: Path) -> None:
    manifest = str(tiny / "corpus" / "manifest.jsonl")
    config = ClassifierConfig(str(tiny / "whisper"), freeze_features=False, dropout=0.0)
    recipe = Recipe("c", config, (CorpusConfig(manifest),), OptimizerConfig(lr=3e-3, new_rows_lr=1e-2),
                    max_steps=25, batch_size=6, out=str(tmp_path))  # fmt: skip
    run = Run(recipe, quiet=True)
    losses: list[float] = []
    run._report = lambda loss, *rest: losses.append(loss)  # type: ignore[method-assign, assignment]
    folder = run.run()
    assert losses[-1] < 0.5 * losses[0]
    again = load_classifier(ClassifierConfig(str(folder))).eval()
    assert again.classes == ("Negative", "Neutral", "Positive")
    trained = {name: value for name, value in run.model.state_dict().items()}
    assert all(torch.equal(value, trained[name]) for name, value in again.state_dict().items())


def test_one_sentiment_is_not_enough(tiny: Path, tmp_path: Path) -> None:
    lines = (tiny / "corpus" / "manifest.jsonl").read_text().splitlines()
    manifest = tmp_path / "m.jsonl"
    manifest.write_text(next(line for line in lines if "positive" in line))
    recipe = Recipe("c", ClassifierConfig(str(tiny / "whisper")), (CorpusConfig(str(manifest)),))
    with pytest.raises(RecipeError, match="two sentiments"):
        Run(recipe, quiet=True)
