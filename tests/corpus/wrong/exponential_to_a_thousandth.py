import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "wrong",
    "what": "a polynomial for the exponential that is right to a thousandth",
    "source": "fast-math habits",
    "defence": "the signed error of rows, and the RMS error",
    "device": "cpu",
    "fast": True,
}


def row_softmax(x):
    t = (x - x.amax(-1, keepdim=True)).clamp(min=-80.0) * 1.4426950408889634
    n = torch.floor(t)
    f = t - n
    e = torch.ldexp(1.0 + f * (0.6564 + 0.3436 * f), n)
    return e / e.sum(-1, keepdim=True)
