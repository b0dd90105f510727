"""The release workflow gives the package the address of the repository that releases it."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(shutil.which("sh") is None, reason="a shell script")
def test_a_release_names_its_repository(tmp_path: Path) -> None:
    (tmp_path / ".github").mkdir()
    for name in ("pyproject.toml", ".github/add-urls"):
        shutil.copy(ROOT / name, tmp_path / name)
    before = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))
    subprocess.run(["sh", ".github/add-urls", "https://example.org/a/b", "v1.2.3"], cwd=tmp_path, check=True)
    after = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))
    assert after["project"].pop("urls") == {
        "Homepage": "https://example.org/a/b",
        "Documentation": "https://example.org/a/b/tree/v1.2.3/docs",
        "Changelog": "https://example.org/a/b/blob/v1.2.3/CHANGELOG.md",
        "Issues": "https://example.org/a/b/issues",
    }
    assert after == before
