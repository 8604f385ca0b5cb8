"""Runs a module under a kernel that, once told so, refuses to sync: `python -m tests.support.refused_syncs
MODULE ARGUMENT…`. `refuse_syncs` tells it.

A line `fdatasync 12` on standard input makes every later fdatasync of descriptor 12 fail with EIO, in all
threads; without a number, of every descriptor. The kernel does it (a seccomp filter), so the module under
test and the libraries in it are what they always are. There is no way back.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import runpy
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, NamedTuple

MODULE = "tests.support.refused_syncs"
FILTERED = re.compile(r"^Seccomp:\s+2$", re.MULTILINE)
DEADLINE_S = 10.0


class Machine(NamedTuple):
    """The numbers of Linux for one processor: linux/audit.h and asm/unistd.h."""

    audit: int
    seccomp: int
    syncs: dict[str, int]


MACHINES = {
    "x86_64": Machine(0xC000003E, 317, {"fsync": 74, "fdatasync": 75}),
    "aarch64": Machine(0xC00000B7, 277, {"fsync": 82, "fdatasync": 83}),
}
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
"""Instructions of linux/bpf_common.h: load a word, jump over so many instructions, end."""
OFFSET_NUMBER, OFFSET_MACHINE, OFFSET_DESCRIPTOR = 0, 4, 16
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EIO
SET_NO_NEW_PRIVILEGES = 38
SET_MODE_FILTER, FOR_ALL_THREADS = 1, 1


def refuse_syncs(process: subprocess.Popen[bytes], call: str, file: str | None = None) -> None:
    """Let a system call of a process that runs under this module fail from now on.

    `file` is a pattern for the end of the path of the one open file that is meant. On return the kernel has
    taken it in. The process must have a pipe as standard input.
    """
    descriptor = "" if file is None else _find_descriptor(process.pid, file)
    commands: IO[bytes] | None = process.stdin
    assert commands is not None
    commands.write(f"{call} {descriptor}\n".encode())
    commands.flush()
    status = Path(f"/proc/{process.pid}/status")
    end = time.perf_counter() + DEADLINE_S
    while FILTERED.search(status.read_text(encoding="ascii")) is None:
        assert time.perf_counter() < end, "the kernel took no filter"
        time.sleep(0.005)


def _find_descriptor(pid: int, pattern: str) -> int:
    open_files = {int(entry.name): os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    (found,) = [number for number, path in open_files.items() if re.search(f"{pattern}$", path)]
    return found


def _build_filter(machine: Machine, call: str, descriptor: int | None) -> list[bytes]:
    """Return the instructions that refuse one system call."""
    checks = [(OFFSET_MACHINE, machine.audit), (OFFSET_NUMBER, machine.syncs[call])]
    if descriptor is not None:
        checks.append((OFFSET_DESCRIPTOR, descriptor))
    program: list[bytes] = []
    for index, (offset, value) in enumerate(checks):
        to_allow = 2 * (len(checks) - index) - 1
        program.append(struct.pack("=HBBI", LOAD, 0, 0, offset))
        program.append(struct.pack("=HBBI", JUMP_IF_EQUAL, 0, to_allow, value))
    program.append(struct.pack("=HBBI", RETURN, 0, 0, REFUSE))
    program.append(struct.pack("=HBBI", RETURN, 0, 0, ALLOW))
    return program


def _refuse(call: str, descriptor: int | None) -> None:
    """Let the system call fail with EIO from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    machine = MACHINES[platform.machine()]
    instructions = _build_filter(machine, call, descriptor)
    code = ctypes.create_string_buffer(b"".join(instructions))
    program = struct.pack("@HP", len(instructions), ctypes.addressof(code))  # struct sock_fprog
    if libc.prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.syscall(
        machine.seccomp, SET_MODE_FILTER, FOR_ALL_THREADS, program
    ):
        reason = ctypes.get_errno()
        raise OSError(reason, os.strerror(reason))


def _obey() -> None:
    for line in sys.stdin:
        call, *descriptor = line.split()
        _refuse(call, int(descriptor[0]) if descriptor else None)


if __name__ == "__main__":
    threading.Thread(target=_obey, daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
