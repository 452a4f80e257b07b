from torch import nn

CORPUS = {
    "problem": "far_cache_update",
    "kind": "wrong",
    "what": "the last place of the cache is never written",
    "source": "own",
    "defence": "seen when a new row goes to the last place",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, cache, new, place):
        updated = cache.clone()
        kept = place < cache.shape[1] - 1
        updated[:, place[kept]] = new[:, kept]
        return updated
