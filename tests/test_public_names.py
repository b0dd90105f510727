"""The names that users build on; changing this list is a change of the interface."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import unislu

NAMES = {
    "load",
    "Model",
    "Analysis",
    "Segment",
    "Word",
    "Entity",
    "Sentiment",
    "AudioWarning",
    "UnisluError",
    "OptionError",
    "AudioError",
    "AudioNotFoundError",
    "RecordError",
    "RecipeError",
    "TrainingError",
    "VocabularyError",
    "BundleError",
    "BundleNotFoundError",
    "EngineError",
    "VoiceError",
    "RedactionError",
    "VerificationError",
    "BatchError",
    "MissingDependencyError",
    "__version__",
}


def test_public_names_are_pinned() -> None:
    assert set(unislu.__all__) == NAMES
    assert len(unislu.__all__) == len(NAMES)
    assert set(dir(unislu)) >= NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_name_can_be_imported(name: str) -> None:
    assert getattr(unislu, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = unislu.analyse  # type: ignore[attr-defined]


def test_every_error_is_a_unislu_error() -> None:
    for name in NAMES:
        if name.endswith("Error"):
            assert issubclass(getattr(unislu, name), unislu.UnisluError)


def test_the_changelog_knows_the_version() -> None:
    changelog = Path(__file__).parents[1] / "CHANGELOG.md"
    headings = re.findall(r"^## \[([^\]]+)\]", changelog.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0] == unislu.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", unislu.__version__)
