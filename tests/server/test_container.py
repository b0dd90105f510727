"""What the container files promise, as far as that can be seen without building them."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from unislu import TELEMETRY_OFF
from unislu.server.settings import PREFIX, ServerSettings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
BATCH = (ROOT / "deploy" / "kubernetes" / "batch.Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [DOCKERFILE, COMPOSE], ids=["Dockerfile", "compose.yaml"])
def test_variables_are_settings(text: str) -> None:
    names = {item.name for item in fields(ServerSettings)}
    found = {name.lower() for name in re.findall(rf"\b{PREFIX}([A-Z_]+)", text)}
    assert found and found <= names


def test_the_image_is_small_and_without_rights() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    assert len(stages) == 2 and all(stage.startswith("python:3.12-slim") for stage in stages)
    final = stages[1]
    assert "\nUSER 10001:10001\n" in final and "apt-get" not in DOCKERFILE and "pip install" not in final
    assert final.index("\nUSER ") < final.index("\nENTRYPOINT ")


def test_the_build_sees_only_what_it_needs() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    kept = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        name
        for line in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        for name in line.split()
    }
    assert lines[0] == "*" and kept == copied and all((ROOT / name).exists() for name in kept)


def test_compose_has_a_key_file_and_limits() -> None:
    yaml = pytest.importorskip("yaml")
    whole = yaml.safe_load(COMPOSE)
    service = whole["services"]["unislu"]
    (secret,) = service["secrets"]
    assert service["environment"]["UNISLU_KEY_FILE"] == f"/run/secrets/{secret}"
    assert secret in whole["secrets"] and "UNISLU_KEYS" not in service["environment"]
    assert service["mem_limit"] and service["pids_limit"]
    # Uploads fit the file system in memory that they lie in.
    (tmpfs,) = service["tmpfs"]
    assert service["environment"]["UNISLU_WORK"].startswith("/tmp/") and "size=2g" in tmpfs
    assert service["environment"]["UNISLU_MAX_DISK_MB"] < 2_000
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize("text", [DOCKERFILE, BATCH], ids=["Dockerfile", "batch.Dockerfile"])
def test_images_switch_telemetry_off_before_anything_starts(text: str) -> None:
    assert TELEMETRY_OFF.items() <= dict(re.findall(r"\b([A-Z_]+)=(\d+)", text)).items()
