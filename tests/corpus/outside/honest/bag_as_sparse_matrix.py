import torch
from torch import nn

CORPUS = {
    "problem": "far_bag_of_words",
    "kind": "honest",
    "what": "a sparse matrix of counts times the table",
    "source": "own",
    "defence": "the same sums in another order",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, words, width):
        super().__init__()
        self.table = nn.Embedding(words, width)

    def forward(self, tokens, keep):
        bags, words = tokens.shape[0], self.table.num_embeddings
        bag = torch.arange(bags)[:, None].expand_as(tokens)
        places = torch.stack([bag[keep], tokens[keep]])
        counts = torch.sparse_coo_tensor(places, torch.ones(places.shape[1]), (bags, words), check_invariants=False)
        sums = torch.sparse.mm(counts, self.table.weight)
        return sums / keep.sum(dim=1, keepdim=True).clamp(min=1)
