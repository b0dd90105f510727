"""The process that decodes: what it may do, what it knows, and what a hostile file can make it write."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unislu.server.answers import ApiError
from unislu.server.decoding import Confinement, DecoderPool

PROBES = {
    "read": "open({outside!r}).read()",
    "list": "os.listdir({parent!r})",
    "write": "open({outside!r} + '2', 'w')",
    "socket": "socket.socket()",
    "run": "subprocess.run(['/bin/true'])",
    "fork": "os.fork()",
    "kill": "os.kill(os.getppid(), 0)",
}
PROGRAM = """
import json, os, socket, subprocess, sys, threading
sys.path[:0] = {paths!r}
from unislu.server import sandbox
import av, numpy
sandbox.limit(1 << 20)
holds = sandbox.enter([], [{inside!r}])
def outcome(text):
    try:
        eval(text)
    except OSError as error:
        return type(error).__name__
    return "done"
open({inside!r} + "/mine", "wb").write(b"x")
os.remove({inside!r} + "/mine")
threads = []
thread = threading.Thread(target=threads.append, args=(1,))
thread.start()
thread.join()
found = {{name: outcome(text) for name, text in {probes!r}.items()}}
found["large"] = outcome("open({inside!r} + '/large', 'wb').write(bytes(2 << 20))")
import wave  # modules are still found
print(json.dumps([holds, threads, found]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are Linux's")
def test_the_sandbox(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "secret"
    inside.mkdir()
    outside.write_text("a key")
    probes = {
        name: text.format(outside=str(outside), parent=str(tmp_path)) for name, text in PROBES.items()
    }
    program = PROGRAM.format(
        paths=[str(Path(__file__).parents[2] / "src")], inside=str(inside), probes=probes
    )  # fmt: skip
    command = [sys.executable, "-I", "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    holds, threads, found = json.loads(ran.stdout)
    assert threads == [1] and found["large"] == "OSError"
    denied = {"landlock": {"read", "list", "write"}, "seccomp": {"socket", "run", "fork", "kill"}}
    if not holds:
        pytest.skip("this kernel has neither Landlock nor seccomp")
    for one in holds:
        assert {found[name] for name in denied[one]} == {"PermissionError"}, (one, found)


def confinement(folder: Path, **more: Any) -> Confinement:
    chosen: dict[str, Any] = {"read": [], "write": [str(folder)], "file_bytes": 10 << 20, "cpu_seconds": 30.0}
    return Confinement(**(chosen | more))


def decode(folder: Path, data: bytes, pool: DecoderPool | None = None, **options: Any) -> Any:
    async def run() -> Any:
        decoders = pool or DecoderPool(1, 60.0, 600.0, confinement(folder))
        source = folder / "upload"
        source.write_bytes(data)
        try:
            return await decoders.decode(source, folder / "audio.wav", "a.wav", **options)
        finally:
            await decoders.close()

    return asyncio.run(run())


def test_modules_of_the_current_folder_are_not_run(
    tmp_path: Path, hum: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for name in ("av", "numpy", "json", "sitecustomize"):
        (here / f"{name}.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w').close()")
    monkeypatch.chdir(here)
    assert decode(tmp_path, hum).seconds == 0.5
    assert not (tmp_path / "run").exists()


def test_it_does_not_know_what_the_server_knows(
    tmp_path: Path, hum: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not os.path.isdir("/proc/self"):
        pytest.skip("needs /proc")
    monkeypatch.setenv("UNISLU_KEYS", "a-key-of-the-server")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")

    async def run() -> tuple[bytes, str, set[str]]:
        decoders = DecoderPool(1, 60.0, 600.0, confinement(tmp_path))
        (tmp_path / "upload").write_bytes(hum)
        await decoders.decode(tmp_path / "upload", tmp_path / "audio.wav", "a.wav")
        (worker,) = decoders._idle
        process = Path("/proc") / str(worker.process.pid)
        found = (process / "environ").read_bytes(), os.readlink(process / "cwd")
        command = set((process / "cmdline").read_bytes().decode().split("\0"))
        await decoders.close()
        return *found, command

    environment, folder, command = asyncio.run(run())
    assert b"secret" not in environment and b"a-key" not in environment and environment.count(b"\0") <= 6
    assert folder == "/" and "-I" in command


def test_a_file_may_not_become_too_large(tmp_path: Path, make_wav: Any) -> None:
    small = DecoderPool(1, 60.0, 600.0, confinement(tmp_path, file_bytes=100_000))
    with pytest.raises(ApiError) as refused:
        decode(tmp_path, make_wav(np.zeros(10 * 16_000)), small)
    assert (refused.value.status, refused.value.code) == (413, "audio_too_large")


def test_computing_has_an_end(tmp_path: Path) -> None:
    """The limit of the operating system, for where the server itself is busy or gone."""
    resource = pytest.importorskip("resource")
    program = (
        f"import sys; sys.path[:0] = [{str(Path(__file__).parents[2] / 'src')!r}]\n"
        "from unislu.server import sandbox\nsandbox.limit_cpu(1)\nwhile True: pass"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", program], timeout=120)
    assert ran.returncode < 0 and resource.RLIMIT_CPU is not None


@pytest.mark.parametrize("rate", [1, 999, 1_000_001, 2_147_483_647])
def test_a_rate_that_no_sound_has(tmp_path: Path, make_wav: Any, rate: int) -> None:
    """64 kB that state 1 Hz would be nine hours, a gigabyte at 16 kHz."""
    data = bytearray(make_wav(np.zeros(32_000)))
    data[24:28] = rate.to_bytes(4, "little")
    with pytest.raises(ApiError, match=f"states {rate} samples a second") as refused:
        decode(tmp_path, bytes(data))
    assert refused.value.status == 400 and len(str(refused.value)) < 300
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 100_000


def stereo(seconds: float, channels: int) -> bytes:
    """16-bit WAV of silence at 16 kHz."""
    import struct

    data = bytes(round(seconds * 16_000) * 2 * channels)
    fmt = struct.pack("<HHIIHH", 1, channels, 16_000, 32_000 * channels, 2 * channels, 16)
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt \x10\0\0\0" + fmt
    return head + b"data" + struct.pack("<I", len(data)) + data


def test_seconds_times_channels_are_bounded(tmp_path: Path) -> None:
    pool = DecoderPool(1, 60.0, 10.0, confinement(tmp_path))
    assert decode(tmp_path, stereo(9, 2), pool, split=True).seconds == 9.0
    assert decode(tmp_path, stereo(9, 5), pool).seconds == 9.0  # mixed to one
    with pytest.raises(ApiError) as refused:
        decode(tmp_path, stereo(9, 5), pool, split=True)
    assert (refused.value.status, refused.value.code) == (413, "audio_too_long")


def test_decoded_audio_fits_the_room_there_is(tmp_path: Path) -> None:
    pool = DecoderPool(2, 60.0, 600.0, confinement(tmp_path), room=lambda: 200_000)
    assert decode(tmp_path, stereo(3, 1), pool).seconds == 3.0
    assert (tmp_path / "audio.wav").stat().st_size < 97_000, "two bytes a sample"
    with pytest.raises(ApiError) as refused:
        decode(tmp_path, stereo(4, 1), pool)
    assert (refused.value.status, refused.value.code) == (429, "disk_full")
