from torch import nn

CORPUS = {
    "problem": "far_chosen_values",
    "kind": "honest",
    "what": "a prefix count gives each chosen value its place; the result's length depends on the values",
    "source": "own",
    "defence": "the same values",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        flat = x.reshape(-1)
        chosen = flat > 0
        place = chosen.cumsum(0)
        out = x.new_empty(int(place[-1]))
        out[place[chosen] - 1] = flat[chosen]
        return out
