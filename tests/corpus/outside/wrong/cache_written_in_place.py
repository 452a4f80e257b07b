from torch import nn

CORPUS = {
    "problem": "far_cache_update",
    "kind": "wrong",
    "what": "writes into the cache that it was given, and returns a copy",
    "source": "own",
    "defence": "changes an argument that the reference leaves alone",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, cache, new, place):
        return cache.index_copy_(1, place, new).clone()
