"""The usual pipelines, for the same evaluator: a recogniser, then a tagger, then a classifier.

    faster-whisper:FOLDER+spacy:en_core_web_sm+vader
    whisper:openai/whisper-base+gliner:urchade/gliner_large-v2.1
    transcripts:run.jsonl+gner:FOLDER+sentiment:FOLDER

`open_baseline` reads such a specification. A part's value after the colon is a local path, or a name on the
Hugging Face hub (for spaCy: of an installed pipeline). Each part brings its own package; none is a
dependency of unislu.
"""

from __future__ import annotations

from unislu.evaluation.baselines.system import Baseline, is_baseline, open_baseline

__all__ = ["Baseline", "is_baseline", "open_baseline"]
