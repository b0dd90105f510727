"""Run a command in a network namespace of its own: loopback up, and for a server one request and a long idle.

python offline.py COMMAND…
python offline.py --serve PORT CLIP IDLE_SECONDS COMMAND…
"""

from __future__ import annotations

import fcntl
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request

SET_FLAGS, UP_AND_RUNNING = 0x8914, 0x41
PATIENCE = 120


def main() -> int:
    """The command's exit code; a server is asked to stop."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SET_FLAGS, struct.pack("16sH14s", b"lo", UP_AND_RUNNING, b""))
    if sys.argv[1] != "--serve":
        return subprocess.call(sys.argv[1:])
    port, clip, idle, *command = sys.argv[2:]
    process = subprocess.Popen(command)
    try:
        hear(f"http://127.0.0.1:{port}", clip)
        time.sleep(float(idle))
    finally:
        process.terminate()
    code = process.wait(PATIENCE)
    return 0 if code == -signal.SIGTERM else code


def hear(url: str, clip: str) -> None:
    """Wait until the server is ready, and have it hear a clip."""
    for _ in range(PATIENCE):
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=5)
            break
        except urllib.error.URLError:
            time.sleep(1)
    boundary = "part"
    with open(clip, "rb") as file:
        audio = file.read()
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="clip"\r\n\r\n'
    body = head.encode() + audio + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    urllib.request.urlopen(urllib.request.Request(f"{url}/v1/analyze", body, headers), timeout=PATIENCE)


if __name__ == "__main__":
    sys.exit(main())
