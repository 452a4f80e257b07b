import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "keeps scratch memory for each shape, and returns fresh memory from every call",
    "source": "preallocated workspaces of vendor libraries",
    "defence": "results outlive the next call",
    "device": "cpu",
    "fast": True,
}

SCRATCH = {}


def row_softmax(x):
    key = x.shape, x.dtype, x.device
    if key not in SCRATCH:
        SCRATCH[key] = torch.empty(x.shape), torch.empty(x.shape[0], 1)
    e, total = SCRATCH[key]
    torch.sub(x, x.amax(-1, keepdim=True), out=e)
    torch.exp(e, out=e)
    torch.sum(e, -1, keepdim=True, out=total)
    return e / total
