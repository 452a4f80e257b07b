"""Compile facts of one GPU kernel: registers, spills, shared memory, instruction classes and occupancy.

Read from the finished binary (SASS of a cubin) or the final assembly (AMD), never from a compiler's log, so the same
reader serves Triton, Gluon and CUDA. Occupancy follows NVIDIA's published allocation rules: registers are given to a
warp in units of 256, shared memory to a block in units of 128 bytes plus 1 KiB that the driver keeps.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..candidate import CandidateError, Status
from ..schema import Noun

TOOL_TIMEOUT_S = 60

# One entry per class of instruction that tells an expert which path the compiler took.
SASS_CLASSES = {
    "wgmma": r"\b[HIQBDO]GMMA\b",
    "tcgen05": r"\bUTC\w*MMA\b",
    "mma": r"\b[HIQBDO]MMA\b",
    "tma": r"\b(?:UTMALDG|UTMASTG|UTMAREDG|UBLKCP)\b",
    "cp_async": r"\bLDGSTS\b",
    "ldmatrix": r"\bLDSM\b",
    "load_128": r"\bLDG(?:\.\w+)*\.(?:128|256)\b",
    "store_128": r"\bSTG(?:\.\w+)*\.(?:128|256)\b",
    "load_local": r"\bLDL\b",
    "store_local": r"\bSTL\b",
    "atomic": r"\b(?:ATOMG?|REDG?)\b",
}
AMD_CLASSES = {
    "mfma": r"\bv_mfma_\w+",
    "load_128": r"\b(?:buffer|global|flat)_load_(?:dwordx4|b128)\b",
    "store_128": r"\b(?:buffer|global|flat)_store_(?:dwordx4|b128)\b",
    "load_lds_128": r"\bds_(?:read|load)_b128\b",
    "load_local": r"\bscratch_load_\w+",
    "store_local": r"\bscratch_store_\w+",
    "atomic": r"\b(?:buffer|global|flat)_atomic_\w+",
}


@dataclass(frozen=True)
class Multiprocessor:
    """What one multiprocessor holds: warps, blocks, 32-bit registers, shared bytes (all, and the most of one block)."""

    warps: int
    blocks: int
    registers: int
    shared_bytes: int
    shared_bytes_per_block: int


# CUDA C++ Programming Guide 13.0, table "Technical Specifications per Compute Capability"; CDNA3 ISA guide (LDS).
LIMITS = {
    "sm_80": Multiprocessor(64, 32, 65536, 167936, 166912),
    "sm_86": Multiprocessor(48, 16, 65536, 102400, 101376),
    "sm_89": Multiprocessor(48, 24, 65536, 102400, 101376),
    "sm_90": Multiprocessor(64, 32, 65536, 233472, 232448),
    "sm_100": Multiprocessor(64, 32, 65536, 233472, 232448),
    "sm_120": Multiprocessor(48, 24, 65536, 102400, 101376),
}
AMD_SHARED_BYTES_PER_BLOCK = {"gfx942": 65536, "gfx90a": 65536, "gfx950": 163840}


class CompileFacts(Noun):
    """What the compiler made of one kernel for one target.

    `registers` are per thread; `spills` counts instructions that move registers to and from local memory;
    `shared_bytes` per block, with the target's limit beside it; `instructions` counts the classes that are present;
    `occupancy` is resident warps over the most the multiprocessor can hold (NVIDIA only).
    """

    kernel: str
    target: str
    registers: int
    spills: int
    stack_bytes: int
    shared_bytes: int
    shared_limit_bytes: int | None = None
    threads: int
    instructions: dict[str, int] = {}
    blocks_per_sm: int | None = None
    warps_per_sm: int | None = None
    occupancy: float | None = None

    @property
    def fits(self) -> bool:
        """Whether one block of the kernel can be launched on the target at all."""
        return self.shared_limit_bytes is None or self.shared_bytes <= self.shared_limit_bytes


def occupancy(target: str, registers: int, shared_bytes: int, threads: int) -> tuple[int, int, float] | None:
    """Return (blocks, warps, fraction) resident on one multiprocessor of `target`; None for an unknown target."""
    limits = LIMITS.get(target)
    if limits is None:
        return None
    warps = -(-threads // 32)
    registers_per_warp = -(-max(registers, 1) * 32 // 256) * 256
    shared = -(-shared_bytes // 128) * 128 + 1024
    blocks = min(
        limits.blocks,
        limits.warps // warps,
        limits.registers // registers_per_warp // warps,
        limits.shared_bytes // shared,
    )
    return blocks, blocks * warps, blocks * warps / limits.warps


def count_instructions(assembly: str, classes: dict[str, str]) -> dict[str, int]:
    """Return the number of instructions of each class that occurs in `assembly`."""
    counts = {name: len(re.findall(pattern, assembly)) for name, pattern in classes.items()}
    return {name: count for name, count in counts.items() if count}


def cubin_facts(kernel: str, target: str, cubin: bytes, threads: int, shared_bytes: int | None = None) -> CompileFacts:
    """Read the facts of `kernel` from a cubin. `shared_bytes` is the dynamic part, known to the launcher alone."""
    usage, sass = _dump(cubin, "-res-usage"), _dump(cubin, "-sass")
    found = re.search(rf"Function {re.escape(kernel)}:\s*(.*)", usage) or re.search(r"Function \S+:\s*(.*)", usage)
    if found is None:
        raise CandidateError(Status.INFRA_ERROR, f"cuobjdump names no function in the binary of {kernel}")
    numbers = {name: int(value) for name, value in re.findall(r"(REG|STACK|SHARED|LOCAL):(\d+)", found.group(1))}
    # sm_90 and later keep 1 KiB of static shared memory for the system; cuobjdump counts it as the kernel's.
    reserved = 1024 if _capability(target) >= 90 else 0
    static = max(0, numbers.get("SHARED", 0) - reserved)
    shared = static if shared_bytes is None else max(static, shared_bytes)
    instructions = count_instructions(sass, SASS_CLASSES)
    resident = occupancy(target, numbers["REG"], shared, threads)
    limits = LIMITS.get(target)
    return CompileFacts(
        kernel=kernel,
        target=target,
        registers=numbers["REG"],
        spills=instructions.get("load_local", 0) + instructions.get("store_local", 0),
        stack_bytes=numbers.get("STACK", 0),
        shared_bytes=shared,
        shared_limit_bytes=limits.shared_bytes_per_block if limits else None,
        threads=threads,
        instructions=instructions,
        blocks_per_sm=resident[0] if resident else None,
        warps_per_sm=resident[1] if resident else None,
        occupancy=resident[2] if resident else None,
    )


def amdgcn_facts(kernel: str, target: str, assembly: str, threads: int, shared_bytes: int) -> CompileFacts:
    """Read the facts of `kernel` from its final AMD assembly, whose metadata block lists what it uses."""
    fields = {name: int(value) for name, value in re.findall(r"^\s+\.(\w+):\s+(\d+)\s*$", assembly, re.MULTILINE)}
    return CompileFacts(
        kernel=kernel,
        target=target,
        registers=fields.get("vgpr_count", 0),
        spills=fields.get("vgpr_spill_count", 0) + fields.get("sgpr_spill_count", 0),
        stack_bytes=fields.get("private_segment_fixed_size", 0),
        shared_bytes=shared_bytes,
        shared_limit_bytes=AMD_SHARED_BYTES_PER_BLOCK.get(target),
        threads=threads,
        instructions=count_instructions(assembly, AMD_CLASSES),
    )


def find_cuobjdump() -> str:
    """Return the path of cuobjdump: the one in Triton's wheel, else the toolkit's; CandidateError if there is none."""
    import triton

    bundled = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    found = str(bundled) if bundled.exists() else shutil.which("cuobjdump")
    if found is None:
        raise CandidateError(Status.INFRA_ERROR, "cuobjdump not found: pip install triton (its wheel carries it)")
    return found


def _dump(cubin: bytes, option: str) -> str:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [find_cuobjdump(), option, file.name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_TIMEOUT_S)
    if done.returncode != 0:
        raise CandidateError(Status.INFRA_ERROR, f"cuobjdump {option} failed: {first_line(done.stderr or done.stdout)}")
    return done.stdout


def _capability(target: str) -> int:
    found = re.fullmatch(r"sm_(\d+)[a-z]?", target)
    return int(found.group(1)) if found else 0


def first_line(text: str) -> str:
    """Return the first line of `text` that says something, at most 300 characters of it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:300] if lines else "no message"
