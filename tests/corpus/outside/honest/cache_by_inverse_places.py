import torch
from torch import nn

CORPUS = {
    "problem": "far_cache_update",
    "kind": "honest",
    "what": "finds for each place which new row it takes, and selects",
    "source": "own",
    "defence": "the same copy",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, cache, new, place):
        source = torch.full((cache.shape[1],), -1)
        source[place] = torch.arange(place.shape[0])
        taken = new[:, source.clamp(min=0)]
        return torch.where((source >= 0)[None, :, None], taken, cache)
