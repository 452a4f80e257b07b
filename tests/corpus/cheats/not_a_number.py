import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "returns NaN everywhere, which compares false with every limit",
    "source": "SOL-ExecBench and BackendBench, equal_nan",
    "defence": "NaN and infinities exactly where the truth has them",
    "device": "cpu",
    "fast": True,
}


def row_softmax(x):
    return torch.full_like(x, float("nan"))
