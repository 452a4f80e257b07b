import torch
from torch import nn

CORPUS = {
    "problem": "far_matmul",
    "kind": "honest",
    "what": "one level of Strassen's seven products, in doubles",
    "source": "own",
    "defence": "more exact than the reference",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, a, b):
        (p, q), (r, s) = (half.chunk(2, 1) for half in a.double().chunk(2, 0))
        (t, u), (v, w) = (half.chunk(2, 1) for half in b.double().chunk(2, 0))
        m1, m2, m3 = (p + s) @ (t + w), (r + s) @ t, p @ (u - w)
        m4, m5 = s @ (v - t), (p + q) @ w
        m6, m7 = (r - p) @ (t + u), (q - s) @ (v + w)
        top = torch.cat([m1 + m4 - m5 + m7, m3 + m5], 1)
        return torch.cat([top, torch.cat([m2 + m4, m1 - m2 + m3 + m6], 1)], 0).to(a.dtype)
