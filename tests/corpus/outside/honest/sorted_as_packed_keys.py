import torch
from torch import nn

CORPUS = {
    "problem": "far_sorted_rows",
    "kind": "honest",
    "what": "packs key and place into one 64-bit number and sorts that unstably",
    "source": "own",
    "defence": "keys that differ need no stable sort",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, keys):
        width = keys.shape[-1]
        packed = keys.long() * width + torch.arange(width)
        packed, _ = packed.sort(dim=-1)
        values = torch.div(packed, width, rounding_mode="floor")
        return values.to(keys.dtype), packed - values * width
