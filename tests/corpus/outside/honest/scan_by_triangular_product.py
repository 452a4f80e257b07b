import torch
import torch.nn as nn

CORPUS = {
    "problem": "scan_layer",
    "kind": "honest",
    "what": "the recurrence as a product with powers of the decay",
    "source": "own",
    "defence": "NaN may spread as far as the reference mixes its inputs",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.decay = nn.Parameter(torch.rand(d))
        self.inp = nn.Linear(d, d)
        self.lags = None

    def forward(self, x):
        a = torch.sigmoid(self.decay)
        u = self.inp(x) * (1 - a)
        n = x.shape[1]
        if self.lags is None or len(self.lags) != n:
            i = torch.arange(n)
            self.lags = i[:, None] - i[None]
        k = torch.where(self.lags[..., None] >= 0, a ** self.lags.clamp_min(0)[..., None], torch.zeros(()))
        return torch.einsum("tsd,bsd->btd", k.to(x.dtype), u)
