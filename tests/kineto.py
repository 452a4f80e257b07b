"""A trace as torch.profiler writes it of a GPU, by hand: two operators, a view, a copy from the host, a CUDA graph.

All times in microseconds. Only fields that Kineto writes for such events are used.
"""

from __future__ import annotations

from typing import Any

LAUNCHES = {"cudaLaunchKernel": "cuda_runtime", "cuLaunchKernelEx": "cuda_driver"}


def span(cat: str, name: str, ts: float, dur: float, **args: Any) -> dict[str, Any]:
    return {"ph": "X", "cat": cat, "name": name, "pid": 9, "tid": 9, "ts": ts, "dur": dur, "args": args}


def op(name: str, ts: float, dur: float, id: int, *tensors: tuple[list[int], str], **more: Any) -> dict[str, Any]:
    """An operator whose arguments are all tensors, contiguous: (shape, C++ dtype)."""
    dims = [shape for shape, _ in tensors]
    described = {
        "Input Dims": dims,
        "Input Strides": [_strides(shape) for shape in dims],
        "Input type": [dtype for _, dtype in tensors],
        "Concrete Inputs": ["" for _ in tensors],
    }
    return span("cpu_op", name, ts, dur, **{"External id": id, **described, **more})


def launch(name: str, ts: float, dur: float, correlation: int) -> dict[str, Any]:
    kind = LAUNCHES.get(name, "cuda_runtime")
    return span(kind, name, ts, dur, **{"External id": correlation, "correlation": correlation, "cbid": 211})


def kernel(name: str, ts: float, dur: float, correlation: int, cat: str = "kernel") -> dict[str, Any]:
    ids = {"External id": correlation, "correlation": correlation}  # both of the launch, neither of the operator
    found = span(cat, name, ts, dur, **ids, device=0, stream=7)
    return {**found, "pid": 0, "tid": 7}


def _strides(shape: list[int]) -> list[int]:
    strides, step = [], 1
    for size in reversed(shape):
        strides.insert(0, step)
        step *= size
    return strides


BF16 = "c10::BFloat16"
GPU_TRACE: list[dict[str, Any]] = [
    {"ph": "M", "name": "process_name", "pid": 9, "tid": 0, "ts": 0, "args": {"name": "python"}},
    span("user_annotation", "tilewright.run", 0, 400, **{"External id": 1}),
    # linear launches through the addmm inside it
    op("aten::linear", 10, 25, 2, ([4096, 4096], BF16), ([4096, 4096], BF16), ([4096], BF16)),
    op("aten::addmm", 12, 21, 3, ([4096], BF16), ([4096, 4096], BF16), ([4096, 4096], BF16)),
    launch("cudaLaunchKernel", 15, 5, 100),
    launch("cuLaunchKernelEx", 16, 3, 100),  # inside it
    kernel("nvjet_tst_128x256", 40, 250, 100),
    op("aten::t", 36, 2, 101, ([4096, 4096], BF16)),
    # a Triton kernel, by the driver, which waits for the one before
    op("aten::relu", 40, 60, 5, ([64, 64], BF16)),
    launch("cuLaunchKernelEx", 50, 4, 101),
    kernel("triton_poi_fused_relu", 290, 10, 101),
    # from the host
    op("aten::copy_", 102, 8, 6, ([1024], "float"), ([1024], "float")),
    launch("cudaMemcpyAsync", 104, 3, 102),
    kernel("Memcpy HtoD (Pageable -> Device)", 300, 5, 102, cat="gpu_memcpy"),
    # a graph, which no operator launched
    launch("cudaGraphLaunch", 120, 6, 103),
    kernel("graphed_a", 310, 20, 103),
    kernel("graphed_b", 335, 5, 103),
    kernel("tilewright.run", 40, 300, 0, cat="gpu_user_annotation"),
    {"ph": "s", "id": 7, "pid": 9, "tid": 9, "ts": 10, "cat": "ac2g", "name": "ac2g"},
]
