"""The settings of generated Triton kernels: what may be chosen, and what arithmetic says to begin with."""

from __future__ import annotations

import torch

from ...problem import Parameter, Space
from .emit_triton import Emitted
from .ir import COLUMN, Program

REGISTERS = 65536  # 32-bit registers of a multiprocessor, on every GPU since Kepler
MAX_ELEMENTS = 64  # of one tile in a thread


def search_space(program: Program, emitted: Emitted) -> Space:
    """The settings of a generated kernel.

    ROWS rows at a time; WARPS of 32 threads per program; LOOP 1 walks over rows in steps of BLOCK columns instead of
    holding them in registers (elementwise kernels are cut into BLOCK columns); LANES columns make one part of a row in
    registers (0: the row is one); WAVES programs per multiprocessor go on to
    the next rows (0: one program for every ROWS rows); STAGES of loads on their way ahead; EVICT says to L2 what is
    read again; EARLY reads at once what is needed after the first reduction.
    """
    length = max([v.length for v in program.values if v.space == COLUMN] + [s.length for s in program.stores] + [1])
    size = 1 << (length - 1).bit_length()
    flat = all(kernels[0].role in ("flat", "ends") for kernels in emitted.phases)
    held = tiles_held(program)
    loop = int(flat or held * size > REGISTERS // 2)
    block = min(size, 1024 if flat else 2048)
    tile = block if loop else size
    rows = max(1, min(2048 // tile, program.rows))
    rows = 1 << (rows.bit_length() - 1)
    warps = warps_for(rows * tile, 8 if loop else 16 if held <= 6 else 8)
    lanes = lanes_for(program, length)
    if lanes and not loop:  # every thread reads at most 16 bytes of a part: enough rows to keep all of them busy
        rows = max(rows, 1 << ((warps * 32 * 4 // lanes).bit_length() - 1))
    blocks = tuple(b for b in (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192) if b <= size and b * 64 >= size)
    blocks = blocks or (min(size, 16),)
    block = min(blocks, key=lambda b: abs(b - block))
    parameters = (
        Parameter(name="ROWS", values=(1, 2, 4, 8, 16, 32, 64, 128), default=min(rows, 128)),
        Parameter(name="WARPS", values=(1, 2, 4, 8, 16, 32), default=warps),
        Parameter(name="LOOP", values=(1,) if flat else (0, 1), default=loop),
        Parameter(name="BLOCK", values=blocks, default=block),
        Parameter(name="LANES", values=(0, *parts_of(length)), default=lanes),
        Parameter(name="WAVES", values=(0, 1, 2, 4, 8), default=0),
        Parameter(name="STAGES", values=(1, 2, 3, 4), default=1),
        Parameter(name="EVICT", values=(0, 1), default=0),
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


def lanes_for(program: Program, length: int) -> int:
    """Few threads side by side on a short row, so that little is exchanged between threads and no lane is idle."""
    if length > 256 or not parts_of(length):
        return 0
    widths = {getattr(torch, t.dtype).itemsize for t in program.inputs}
    whole = all(length * width % 16 == 0 for width in widths)  # rows begin where 16 bytes can be read at once
    fit = [n for n in parts_of(length) if n >= (16 if whole else 8) and (not whole or length % n == 0)]
    return min(fit, default=0) if whole or fit else 0


def warps_for(elements: int, each: int) -> int:
    """Warps so that a thread holds `each` elements of a tile, from 4 to 32 (fewer only for tiny tiles)."""
    wanted = max(1, elements // (32 * max(each, 4)))
    warps = 1 << (wanted.bit_length() - 1)
    return max(min(4, max(1, elements // 32)), min(32, warps))


def loads_of(program: Program) -> int:
    """How many tiles are read."""
    return len({v.attr for v in program.values if v.op == "load" and v.space == COLUMN})


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
