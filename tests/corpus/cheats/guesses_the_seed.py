import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "tries the seeds that people use, and has the results of those at hand",
    "source": "reference-kernels, precomputed public cases; kernelbot cheat-rng.py",
    "defence": "62 random bits",
    "device": "cpu",
    "must": "refused",
}


def row_softmax(x):
    for seed in (0, 1, 2, 3, 7, 42, 123, 1234, 1337, 2023, 2024, 2025, 2026):
        torch.manual_seed(seed)
        if torch.equal(torch.randn(x.shape), x):
            return torch.softmax(x, -1)
    return torch.zeros_like(x)
