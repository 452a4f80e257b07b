"""The settings of generated Triton kernels: what may be chosen, and what arithmetic says to begin with."""

from __future__ import annotations

import torch

from ...problem import Parameter, Space
from .emit_triton import Emitted
from .ir import COLUMN, Program

REGISTERS = 65536  # 32-bit registers of a multiprocessor, on every GPU since Kepler
MAX_ELEMENTS = 64  # of one tile in a thread
LONG = 8192  # columns from which one walk over a row is better than all of it in registers


def search_space(program: Program, emitted: Emitted) -> Space:
    """The settings of a generated kernel.

    ROWS rows at a time; WARPS of 32 threads per program; LOOP 1 walks over rows in steps of BLOCK columns instead of
    holding them in registers (elementwise kernels are cut into BLOCK columns); LANES columns make one part of a row in
    registers (0: the row is one); WAVES programs per multiprocessor go on to the next rows (0: one program for every
    ROWS rows); STAGES of loads on their way ahead; EVICT tells L2 what to keep (0 nothing, 1 what is read again, 2 all
    that is read, 3 only that results need not stay); EARLY reads at once what is needed after the first reduction.
    """
    length = max([v.length for v in program.values if v.space == COLUMN] + [s.length for s in program.stores] + [1])
    size = 1 << (length - 1).bit_length()
    flat = all(kernels[0].role in ("flat", "ends") for kernels in emitted.phases)
    loop = flat or (emitted.passes == 1 and size >= LONG) or tiles_held(program) * size > REGISTERS // 2
    lanes = 0 if loop else lanes_for(program, length)
    if flat:
        rows, block, warps = 1, 1024, 1024 // (32 * max(4, read_at_once(program, length)))
    elif loop:
        rows, block, warps = 1, *walk_of(emitted.passes, size, read_at_once(program, length))
    else:
        rows, block, warps = tile_of(program, length, lanes)
    writes = any(s.length for s in program.stores)
    evict = 0 if flat else 2 if writes else 1
    blocks = tuple(b for b in (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192) if b <= size and b * 64 >= size)
    blocks = blocks or (min(size, 16),)
    block = min(blocks, key=lambda b: abs(b - block))
    warps = min(warps, max(1, rows * (block if loop else size) // 32))
    parameters = (
        Parameter(name="ROWS", values=(1, 2, 4, 8, 16, 32, 64, 128), default=rows),
        Parameter(name="WARPS", values=(1, 2, 4, 8, 16, 32), default=warps),
        Parameter(name="LOOP", values=(1,) if flat else (0, 1), default=int(loop)),
        Parameter(name="BLOCK", values=blocks, default=block),
        Parameter(name="LANES", values=(0, *parts_of(length)), default=lanes),
        Parameter(name="WAVES", values=(0,) if flat else (0, 4, 8), default=0),
        Parameter(name="STAGES", values=(1,) if flat else (1, 2, 3), default=1),
        Parameter(name="EVICT", values=(0, 1, 2, 3), default=evict),
        Parameter(name="EARLY", values=(0, 1), default=1),
    )
    one = f"(BLOCK if LOOP else {size})"
    constraints = (
        f"ROWS * {one} <= WARPS * 32 * {MAX_ELEMENTS}",
        f"ROWS * {one} >= WARPS * 32",
        "LOOP == 1 or BLOCK == " + str(block),  # settings that change nothing are tried once
        "LOOP == 0 or LANES == 0",
        "LOOP == 0 or EARLY == 1",
        "LOOP == 1 or WAVES > 0 or STAGES == 1",
        f"STAGES * ROWS * {one} <= 32768",
    )
    return Space(parameters=parameters, constraints=constraints)


def parts_of(length: int) -> tuple[int, ...]:
    """The widths that a row may be cut into: for short rows, and for those that a power of two fits badly."""
    size = 1 << (length - 1).bit_length()
    if length > 512 and size - length < size // 8:
        return ()
    return tuple(n for n in (4, 8, 16, 32, 64, 128, 256, 512, 1024) if n < size and -(-length // n) <= 16)


def read_at_once(program: Program, length: int) -> int:
    """How many columns a thread reads with one instruction: 16 bytes of them where every row begins at such a place."""
    widths = {getattr(torch, t.dtype).itemsize for t in program.inputs}
    return 16 // max(widths) if all(length * width % 16 == 0 for width in widths) else 1


def lanes_for(program: Program, length: int) -> int:
    """Few threads side by side on a short row: little is exchanged between threads, and few lanes are idle."""
    at_once = read_at_once(program, length)
    if length > 512 or not parts_of(length) or (at_once > 1 and length & (length - 1) == 0):
        return 0
    if at_once > 1:
        return 16 if length <= 256 else 32
    return 8 if length <= 64 else 16 if length <= 128 else 32


def walk_of(passes: int, size: int, at_once: int) -> tuple[int, int]:
    """BLOCK and WARPS of walks over a row. Where rows are walked over again they must still be in L2 by then: large
    programs, so that few rows are under way."""
    if passes == 1 or size < LONG:
        return 2048, 8
    return {4: (2048, 16), 8: (8192, 16)}.get(at_once, (4096, 32))


def tile_of(program: Program, length: int, lanes: int) -> tuple[int, int, int]:
    """ROWS, BLOCK and WARPS of rows in registers: 1024 elements at least, 8 to 16 of them in a thread."""
    size = 1 << (length - 1).bit_length()
    rows = max(1, min(1024 // size, program.rows))
    rows = 1 << (rows.bit_length() - 1)
    if lanes:
        threads = rows * max(1, lanes // read_at_once(program, length))
        return rows, 2048, max(1, min(8, threads // 32))
    each = 8 if rows * size <= 1024 or tiles_held(program) > 6 else 16
    return rows, 2048, max(1, min(32, rows * size // (32 * each)))


def tiles_held(program: Program) -> int:
    """The most tiles that are alive across a reduction when rows lie in registers."""
    last: dict[int, int] = {}
    for i, value in enumerate(program.values):
        for a in value.args:
            last[a] = i
    for store in program.stores:
        last[store.value] = max(last.get(store.value, 0), store.value)
    most = 1
    for i, value in enumerate(program.values):
        if value.op.startswith("row_"):
            alive = [a for a in range(i) if program.values[a].space == COLUMN and last.get(a, 0) >= i]
            late = [a for a, v in enumerate(program.values) if a > i and v.op == "load" and v.space == COLUMN]
            most = max(most, len(alive) + len(late))
    return most
