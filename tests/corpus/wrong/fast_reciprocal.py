import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "wrong",
    "what": "the reciprocal from a table of eleven bits without a Newton step",
    "source": "fast-math habits, rcp.approx.ftz of narrow formats",
    "defence": "the row's signed error",
    "device": "cpu",
    "fast": True,
}


def row_softmax(x):
    e = (x - x.amax(-1, keepdim=True)).exp()
    r = (1.0 / e.sum(-1, keepdim=True)).view(torch.int32) & ~0xFFF
    return e * r.view(torch.float32)
