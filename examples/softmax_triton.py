"""A candidate in Triton: `@triton.jit` kernels and the function, named by ENTRY, that launches them.

On a machine without a GPU it runs in Triton's interpreter, and is compiled for GPUs that are not there:
     tilewright check examples/softmax_triton.py --problem examples/softmax_problem.py --target sm_90,sm_100,gfx942
"""

import torch
import triton
import triton.language as tl

ENTRY = "softmax"
PARAMS = {"TEMPERATURE": 0.7, "WARPS": 4}


@triton.jit
def _softmax_fwd_kernel(x, out, columns, scale, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, BLOCK)
    values = tl.load(x + row * columns + c, mask=c < columns, other=float("-inf")) * scale
    powers = tl.exp(values - tl.max(values, axis=0))
    tl.store(out + row * columns + c, powers / tl.sum(powers, axis=0), mask=c < columns)


def softmax(x: torch.Tensor) -> torch.Tensor:
    x = x.contiguous()
    out = torch.empty_like(x)
    rows, columns = x.shape
    block = triton.next_power_of_2(columns)
    scale = 1.0 / PARAMS["TEMPERATURE"]
    _softmax_fwd_kernel[(rows,)](x, out, columns, scale, BLOCK=block, num_warps=PARAMS["WARPS"])
    return out
