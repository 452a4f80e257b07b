import torch
from torch import nn

CORPUS = {
    "problem": "far_column_sums",
    "kind": "wrong",
    "what": "carries the running sum of every 32 rows in half precision",
    "source": "own",
    "defence": "rounding of halves",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        out, carry = [], x.new_zeros(x.shape[1])
        for part in x.split(32):
            out.append(part.cumsum(0) + carry)
            carry = out[-1][-1].half().float()
        return torch.cat(out)
