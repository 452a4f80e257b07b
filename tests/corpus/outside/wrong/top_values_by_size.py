from torch import nn

CORPUS = {
    "problem": "far_top_values",
    "kind": "wrong",
    "what": "looks among the 64 columns with the largest sizes, negative ones included",
    "source": "own",
    "defence": "misses values in rows that are mostly negative",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        _, near = x.abs().topk(64, dim=-1)
        values, places = x.gather(1, near).topk(9, dim=-1)
        return values, near.gather(1, places)
