from torch import nn

CORPUS = {
    "problem": "far_row_range",
    "kind": "wrong",
    "what": "of equal least values it names the last",
    "source": "own",
    "defence": "ties",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        return x.amax(dim=-1), x.shape[-1] - 1 - x.flip(-1).argmin(dim=-1)
