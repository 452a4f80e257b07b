from torch import nn

CORPUS = {
    "problem": "far_top_values",
    "kind": "wrong",
    "what": "orders by values rounded to bfloat16; the values that it returns are exact",
    "source": "own",
    "defence": "wrong places where values are near",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        _, places = x.bfloat16().topk(9, dim=-1)
        return x.gather(1, places), places
