import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "wrong",
    "what": "Schraudolph's exponential by integer arithmetic, right to three percent",
    "source": "Schraudolph 1999",
    "defence": "limits come from the reference's own error",
    "device": "cpu",
}


def row_softmax(x):
    d = (x - x.amax(-1, keepdim=True)).clamp(min=-80.0)
    e = (d * 12102203.0 + 1064866805.0).to(torch.int32).view(torch.float32)
    return e / e.sum(-1, keepdim=True)
