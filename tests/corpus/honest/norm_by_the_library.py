import torch

CORPUS = {
    "problem": "half_norm",
    "kind": "honest",
    "what": "the library's vector norm with float32 accumulators",
    "source": "vendor calls",
    "defence": "the same numbers",
    "device": "cpu",
}


def half_norm(x):
    return torch.linalg.vector_norm(x, 2, -1, dtype=torch.float32).to(x.dtype)
