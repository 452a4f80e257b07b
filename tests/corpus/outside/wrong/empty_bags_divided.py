from torch import nn

CORPUS = {
    "problem": "far_bag_of_words",
    "kind": "wrong",
    "what": "divides by the count of kept words without clamp; a bag without words gives NaN",
    "source": "own",
    "defence": "seen where nothing is kept",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, words, width):
        super().__init__()
        self.table = nn.Embedding(words, width)

    def forward(self, tokens, keep):
        rows = self.table(tokens) * keep.unsqueeze(-1)
        return rows.sum(dim=1) / keep.sum(dim=1, keepdim=True)
