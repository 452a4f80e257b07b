import torch
from torch import nn

CORPUS = {
    "problem": "far_column_sums",
    "kind": "wrong",
    "what": "scans in parts of 128 rows; the third part starts from the second part's sum without the first's",
    "source": "own",
    "defence": "wrong after two parts",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        parts = [part.cumsum(0) for part in x.split(128)]
        for place in range(1, len(parts)):
            carry = parts[0][-1] if place == 1 else x[128 * (place - 1) : 128 * place].sum(0)
            parts[place] = parts[place] + carry
        return torch.cat(parts)
