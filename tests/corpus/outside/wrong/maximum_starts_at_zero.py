from torch import nn

CORPUS = {
    "problem": "far_row_range",
    "kind": "wrong",
    "what": "the running maximum starts at zero",
    "source": "own",
    "defence": "wrong for rows of negative numbers alone",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        return x.amax(dim=-1).clamp(min=0), x.argmin(dim=-1)
