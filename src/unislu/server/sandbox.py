"""The sandbox of the decoder process: with its libraries loaded, it may only read its files, write results
and compute.

Resource limits apply everywhere but on Windows. On Linux, if the kernel supports it, Landlock blocks the rest
of the file system and seccomp blocks sockets, programs and other processes. What the kernel lacks is skipped;
`enter` returns what is in force.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterable

MEMORY_BYTES = 3 << 30  # address space; the libraries alone map about 1 GB
OPEN_FILES = 64

_READ = 1 << 2 | 1 << 3  # files, folders
_FILES_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_FILES_LATER = (1 << 16) - 1
_WRITE = _READ | 1 << 1 | 1 << 5 | 1 << 8 | 1 << 14  # and make, remove, truncate files
_NO_NEW_PRIVILEGES, _CREATE, _ADD_RULE, _RESTRICT = 38, 444, 445, 446

_ARCHITECTURES = {"x86_64": (0xC000003E, 317, 0), "aarch64": (0xC00000B7, 277, 1)}
"""What the kernel calls it, its number of the call `seccomp`, its column below."""
_CLONE = (56, 220)
_CLONE3 = 435
_DENIED = {
    "socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "sendto": (44, 206), "sendmsg": (46, 211),
    "bind": (49, 200), "listen": (50, 201), "socketpair": (53, 199), "accept4": (288, 242),
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "kill": (62, 129), "tkill": (200, 130), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "chroot": (161, 51), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "unshare": (272, 97), "setns": (308, 268), "open_by_handle_at": (304, 265),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "perf_event_open": (298, 241), "bpf": (321, 280), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "init_module": (175, 105), "finit_module": (313, 273), "kexec_load": (246, 104), "reboot": (169, 142),
}  # fmt: skip
"""Calls with their numbers on x86_64 and aarch64."""
_ALLOW, _PERM, _NOSYS = 0x7FFF0000, 0x00050001, 0x00050026
_LOAD, _EQUAL, _ABOVE, _SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06


def limit(file_bytes: int) -> None:
    """Limit memory, file size and open files; a crash leaves no core dump."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in limits.items():
        with contextlib.suppress(ValueError, OSError):
            hard = resource.getrlimit(kind)[1]
            resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def limit_cpu(seconds: float) -> None:
    """Limit the CPU seconds from now on; then the process is ended."""
    try:
        import resource
    except ImportError:  # Windows
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with contextlib.suppress(ValueError, OSError):
        most = int(usage.ru_utime + usage.ru_stime + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def enter(readable: Iterable[str], writable: Iterable[str]) -> tuple[str, ...]:
    """Give up all other rights, irrevocably.

    Args:
        readable: files and folders that may be read, besides Python's own.
        writable: folders in which files may also be created.

    Returns:
        What is in force: any of "landlock", "seccomp".
    """
    if sys.platform != "linux":
        return ()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return ()
    holds = []
    if _landlock(libc, [*readable, *_pythons_own()], list(writable)):
        holds.append("landlock")
    if _seccomp(libc):
        holds.append("seccomp")
    return tuple(holds)


def _pythons_own() -> list[str]:
    roots = [sys.prefix, sys.base_prefix, *sys.path, "/usr/lib", "/lib", "/lib64", "/etc/ld.so.cache"]
    return [*roots, "/dev/null", "/dev/urandom", "/usr/share/zoneinfo", "/proc/self"]


def _landlock(libc: ctypes.CDLL, readable: list[str], writable: list[str]) -> bool:
    abi = libc.syscall(_CREATE, None, 0, 1)
    if abi < 1:
        return False
    files = _FILES_OF_ABI.get(abi, _FILES_LATER)
    # TCP from the fourth version on, signals and abstract sockets from the sixth.
    wanted = struct.pack("QQQ", files, 3, 3)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    rules = libc.syscall(_CREATE, wanted, len(wanted), 0)
    if rules < 0:
        return False
    try:
        for paths, rights in ((readable, _READ), (writable, _WRITE)):
            for path in paths:
                _allow(libc, rules, path, rights & files)
        return not libc.syscall(_RESTRICT, rules, 0)
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
    """A missing path needs no rule."""
    with contextlib.suppress(OSError):
        place = os.open(path or ".", os.O_PATH | os.O_CLOEXEC)
        try:
            if path and os.path.isabs(path):
                kept = rights if os.path.isdir(path) else rights & (1 << 1 | 1 << 2 | 1 << 14)
                libc.syscall(_ADD_RULE, rules, 1, struct.pack("=Qi", kept, place), 0)
        finally:
            os.close(place)


def _seccomp(libc: ctypes.CDLL) -> bool:
    found = _ARCHITECTURES.get(platform.machine())
    if found is None or sys.maxsize < 1 << 32:
        return False
    name, call, column = found
    program = b"".join(_program(name, column))
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    return not libc.syscall(call, 1, 1, fprog)  # a filter, for all threads


def _program(architecture: int, column: int) -> Iterable[bytes]:
    """Berkeley packet filter over (number, architecture, …, arguments from byte 16)."""
    yield _step(_LOAD, 4)
    yield _step(_EQUAL, architecture, 1, 0)
    yield _step(_RETURN, _PERM)
    yield _step(_LOAD, 0)
    yield _step(_ABOVE, 0x40000000, 0, 1)  # numbers of another calling convention
    yield _step(_RETURN, _PERM)
    for numbers in _DENIED.values():
        number = numbers[column]
        if number is not None:
            yield _step(_EQUAL, number, 0, 1)
            yield _step(_RETURN, _PERM)
    yield _step(
        _EQUAL, _CLONE3, 0, 1
    )  # its arguments cannot be inspected: let the library fall back to clone
    yield _step(_RETURN, _NOSYS)
    yield _step(_EQUAL, _CLONE[column], 0, 3)
    yield _step(_LOAD, 16)
    yield _step(_SET, 0x10000, 1, 0)  # a thread
    yield _step(_RETURN, _PERM)
    yield _step(_RETURN, _ALLOW)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)
