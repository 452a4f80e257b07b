import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "returns a view of a larger, padded buffer of its own",
    "source": "padded rows for aligned stores",
    "defence": "only the elements of the result count",
    "device": "cpu",
    "fast": True,
}


def row_softmax(x):
    rows, columns = x.shape
    wide = torch.empty(rows + 1, -(-columns // 64) * 64)
    out = wide[:rows, :columns]
    out.copy_(torch.softmax(x, -1))
    return out
