import torch

CORPUS = {
    "problem": "long_matmul",
    "kind": "wrong",
    "what": "partial products over 64 of K are added up in float16",
    "source": "narrow accumulators",
    "defence": "limits come from the reference's own error; sums that grow with K",
    "device": "cpu",
    "fast": True,
}


def long_matmul(a, b):
    total = torch.zeros(a.shape[0], b.shape[1], dtype=torch.float16)
    for k in range(0, a.shape[1], 64):
        total += (a[:, k : k + 64] @ b[k : k + 64]).half()
    return total.float()
