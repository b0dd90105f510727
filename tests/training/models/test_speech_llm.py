"""The speech LLM: what learns when, loss and caches against the plain model, small checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from unislu.errors import MissingDependencyError, RecipeError  # noqa: E402
from unislu.sequence import SLUE, Prompt  # noqa: E402
from unislu.training.collate import AudioSource, pad_rows  # noqa: E402
from unislu.training.config import (  # noqa: E402
    CorpusConfig,
    DecodeConfig,
    OptimizerConfig,
    Recipe,
    SpecAugmentConfig,
)
from unislu.training.model_config import LoraConfig, SpeechLlmConfig  # noqa: E402
from unislu.training.models.llm_engine import LlmEngine  # noqa: E402
from unislu.training.models.speech_llm import Adapter, LlmBatch, SpeechLlm, load_speech_llm  # noqa: E402
from unislu.training.models.speech_llm_system import AfterSpeech, LlmPredictor  # noqa: E402
from unislu.training.protocol import Asked  # noqa: E402
from unislu.training.train import Run  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def config_for(tiny: Path, **changes: object) -> SpeechLlmConfig:
    config = SpeechLlmConfig(str(tiny / "whisper"), str(tiny / "qwen2"), stride=3, adapter_width=16)
    return replace(config, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model(tiny: Path) -> SpeechLlm:
    torch.manual_seed(0)
    return load_speech_llm(config_for(tiny, lora=LoraConfig(r=2)), SLUE).eval()


def audio_of(model: SpeechLlm, *sizes: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    clips = [0.1 * rng.standard_normal(size).astype(np.float32) for size in sizes]
    return pad_rows([model.encoder.features(clip) for clip in clips])


def test_adapter_joins_frames_and_ignores_padding() -> None:
    torch.manual_seed(0)
    adapter = Adapter(4, 3, 8, 5)
    hidden = torch.randn(2, 7, 4)
    out, lengths = adapter(hidden, torch.tensor([7, 4]))
    assert out.shape == (2, 3, 5) and lengths.tolist() == [3, 2]
    filled = torch.cat([hidden[1, 3:4], torch.zeros(2, 4)]).flatten()
    expected = adapter.second(torch.relu(adapter.first(filled)))
    assert torch.allclose(out[1, 1], expected, atol=1e-6)


def test_loss_is_that_of_one_plain_sequence(model: SpeechLlm) -> None:
    audio, lengths = audio_of(model, 16000, 24000)
    tokens = torch.randint(0, model.vocabulary.size, (2, 6), generator=torch.Generator().manual_seed(1))
    labels = tokens.roll(-1, 1)
    labels[0, 4:] = -100
    zeros = torch.zeros(2, 6, dtype=torch.long)
    batch = LlmBatch(tokens, labels, zeros, torch.tensor([False, False]), audio, lengths)
    speech, counts = model.embed_speech(audio, lengths)
    total, number = torch.zeros(()), 0
    for row in range(2):  # one by one, without padding
        inputs = torch.cat([speech[row, : counts[row]], model.embed(tokens[row])])[None]
        hidden = model.lm.get_decoder()(inputs_embeds=inputs).last_hidden_state[0, counts[row] :]
        logits = torch.cat([hidden @ rows.T for rows in model.output_rows()], dim=1)
        total = total + torch.nn.functional.cross_entropy(logits, labels[row], reduction="sum")
        number += int((labels[row] != -100).sum())
    assert float(model(batch)) == pytest.approx(float(total / number), rel=1e-4)


def test_caches_give_what_the_whole_sequence_gives(model: SpeechLlm) -> None:
    engine = LlmEngine(model)
    encoded = engine.encode(*audio_of(model, 16000, 24000))
    state = engine.start(encoded)
    _, state = engine.step(np.array([[5, 6, 7], [5, 6, 7]]), state)
    forked = engine.select(state, [1, 0, 0], [3, 1, 2])  # reordered, and cut back to unequal lengths
    assert engine.lengths(forked) == [3, 1, 2]
    logits, after = engine.step(np.array([[9], [9], [9]]), forked)
    assert engine.lengths(after) == [4, 2, 3]
    for place, (row, ids) in enumerate([(1, [5, 6, 7, 9]), (0, [5, 9]), (0, [5, 6, 9])]):
        speech = encoded.speech[row, : encoded.lengths[row]]
        inputs = torch.cat([speech, model.embed(torch.tensor(ids))])[None]
        with torch.inference_mode():
            hidden = model.lm.get_decoder()(inputs_embeds=inputs).last_hidden_state[0, -1]
            expected = torch.cat([hidden @ rows.T for rows in model.output_rows()])
        np.testing.assert_allclose(logits[place], expected.numpy(), atol=1e-4)


def run_of(tiny: Path, out: Path, name: str, steps: int, **changes: object) -> Run:
    manifest = str(tiny / "corpus" / "manifest.jsonl")
    first = changes.get("lora") is None
    corpus = CorpusConfig(
        manifest, sentiment=not first, entities="ignore" if first else "closed", loss="dynamic"
    )
    recipe = Recipe(name, config_for(tiny, **changes), (corpus,), OptimizerConfig(lr=1e-2, new_rows_lr=1e-2),
                    max_steps=steps, batch_size=3, checkpoint_every=2, out=str(out))  # fmt: skip
    return Run(recipe, quiet=True)


def moved(run: Run, before: dict[str, torch.Tensor]) -> set[str]:
    return {n for n, p in run.model.named_parameters() if not torch.equal(p, before[n])}


def test_two_stages(tiny: Path, tmp_path: Path) -> None:
    first = run_of(tiny, tmp_path, "one", 2)
    before = {n: p.clone() for n, p in first.model.named_parameters()}
    checkpoint = first.run()
    learned = moved(first, before)
    assert learned and all(name.startswith("adapter.") for name in learned)
    size = (checkpoint / "model.safetensors").stat().st_size
    adapter = sum(p.numel() for p in first.model.adapter.parameters()) + first.model.new_rows.numel()
    assert size < 4 * adapter + 4096  # neither encoder nor language model is copied

    second = run_of(tiny, tmp_path, "two", 2, lora=LoraConfig(r=2, dropout=0.0), backbone=str(checkpoint))
    start = dict(second.model.named_parameters())
    assert torch.equal(start["adapter.first.weight"], first.model.adapter.first.weight)
    before = {n: p.clone() for n, p in start.items()}
    second.run()
    names = {"adapter", "new_rows", "lora"}
    kinds = {next(k for k in names if k in name) for name in moved(second, before)}
    assert kinds == names
    assert {n.split(".")[-4] for n in before if "lora_A" in n} >= {"q_proj"} or any(
        "q_proj" in n for n in before
    )


def test_a_killed_run_goes_on_exactly(tiny: Path, tmp_path: Path) -> None:
    def losses_of(run: Run, stop: int | None = None) -> list[float]:
        found: list[float] = []

        def report(loss: float, *rest: object) -> None:
            found.append(loss)
            if stop is not None and len(found) == stop:
                raise KeyboardInterrupt

        run._report = report  # type: ignore[method-assign, assignment]
        if stop is None:
            run.run()
        else:
            with pytest.raises(KeyboardInterrupt):
                run.run()
        return found

    lora = LoraConfig(r=2)
    whole = losses_of(run_of(tiny, tmp_path / "whole", "x", 4, lora=lora))
    losses_of(run_of(tiny, tmp_path / "killed", "x", 4, lora=lora), stop=3)
    assert losses_of(run_of(tiny, tmp_path / "killed", "x", 4, lora=lora)) == whole[2:]


def test_mistakes_are_named(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match=r"model\.encoder"):
        load_speech_llm(config_for(tiny, encoder=str(tiny / "qwen2")), SLUE)
    with pytest.raises(RecipeError, match=r"model\.lm"):
        load_speech_llm(config_for(tiny, lm=str(tmp_path)), SLUE)
    with pytest.raises(RecipeError, match=r"model\.lora\.targets"):
        load_speech_llm(config_for(tiny, lora=LoraConfig(targets=("nothing",))), SLUE)
    with pytest.raises(RecipeError, match=r"model\.backbone"):
        load_speech_llm(config_for(tiny, backbone=str(tiny / "qwen2")), SLUE)
    with pytest.raises(RecipeError, match="template"):
        config_for(tiny, template="no speech")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install bitsandbytes"):
        load_speech_llm(config_for(tiny, quantize="4bit"), SLUE)


def test_the_first_stage_learns_transcripts_alone(tiny: Path, tmp_path: Path) -> None:
    manifest = str(tiny / "corpus" / "manifest.jsonl")
    recipe = Recipe("x", config_for(tiny), (CorpusConfig(manifest, entities="closed"),), out=str(tmp_path))
    with pytest.raises(RecipeError, match=r"without model\.lora"):
        Run(recipe, quiet=True)


def test_lora_learns_in_float32_beside_a_bfloat16_model(tiny: Path) -> None:
    model = load_speech_llm(config_for(tiny, lora=LoraConfig(r=2, dropout=0.0), dtype="bfloat16"), SLUE)
    lora = {name: p for name, p in model.named_parameters() if "lora_" in name}
    assert lora and {p.dtype for p in lora.values()} == {torch.float32}
    assert next(p for n, p in model.lm.named_parameters() if "base_layer" in n).dtype == torch.bfloat16
    with torch.no_grad():
        for name, parameter in lora.items():
            parameter.fill_(1.0 if "lora_B" in name else 0.01)
    audio, lengths = audio_of(model, 16000)
    tokens = torch.randint(0, model.vocabulary.size, (1, 6), generator=torch.Generator().manual_seed(1))
    zeros = torch.zeros(1, 6, dtype=torch.long)
    batch = LlmBatch(tokens, tokens.roll(-1, 1), zeros, torch.tensor([False]), audio, lengths)
    optimizer = torch.optim.AdamW(lora.values(), lr=1e-4, weight_decay=0.0)
    model(batch).backward()
    optimizer.step()
    # A step of 1e-4 from 1.0 is a fortieth of what bfloat16 can tell apart there.
    changed = [p for n, p in lora.items() if "lora_B" in n and "v_proj" in n]
    assert changed and all(((p - 1).abs() > 5e-5).any() for p in changed)


def predictor_of(model: SpeechLlm, **decode: object) -> LlmPredictor:
    source = AudioSource(None, SpecAugmentConfig(), ())
    fmt = AfterSpeech(model.vocabulary, model.after)
    return LlmPredictor(model, fmt, source, DecodeConfig(**decode))  # type: ignore[arg-type]


def test_draws_depend_on_seed_and_clip_alone(tiny: Path, model: SpeechLlm) -> None:
    manifest = tiny / "corpus" / "manifest.jsonl"
    asked = [Asked(f"t{n}", (manifest, f"{n}.wav"), Prompt(frozenset({"ner", "sa"}))) for n in range(3)]
    drawn = predictor_of(model, temperature=1.0, seed=3)
    together = {answer.id: answer for answer in drawn(asked)}
    for answer in drawn(asked[::-1]):
        # What is drawn is the same; the scores may differ in their last bits with the place in the batch.
        assert answer.text == together[answer.id].text
        assert answer.sentiment_scores == pytest.approx(together[answer.id].sentiment_scores, abs=1e-5)
    (alone,) = drawn(asked[1:2])
    assert alone.text == together["t1"].text
    assert predictor_of(model, temperature=1.0, seed=4)(asked[:1])[0].text != together["t0"].text


def test_the_chats_end_ends_an_answer(tiny: Path, model: SpeechLlm, monkeypatch: pytest.MonkeyPatch) -> None:
    end = model.vocabulary["<|im_end|>"]
    assert end in model.ends
    predictor = predictor_of(model)
    engine, steps = predictor._engine, []
    step = engine.step

    def preferring(tokens: np.ndarray, state: object) -> tuple[np.ndarray, object]:
        logits, state = step(tokens, state)  # type: ignore[arg-type]
        steps.append(tokens.shape)
        if len(steps) > 2:
            logits[:, end] = 1e4
        return logits, state

    monkeypatch.setattr(engine, "step", preferring)
    manifest = tiny / "corpus" / "manifest.jsonl"
    (answer,) = predictor([Asked("t0", (manifest, "0.wav"), Prompt(frozenset()))])
    assert len(steps) == 3 and "im_end" not in (answer.text or "")
