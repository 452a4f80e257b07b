import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "returns memory as it comes, hoping that an earlier result lies there",
    "source": "KernelBench result_reuse_kernel, issues #38 and #25",
    "defence": "the reference runs elsewhere, memory is poisoned",
    "device": "cpu",
    "fast": True,
}


def row_softmax(x):
    return torch.empty_like(x)
