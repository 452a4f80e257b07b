import torch

CORPUS = {
    "problem": "gather_rows",
    "kind": "honest",
    "what": "reads rows by the embedding call and norms them by the library",
    "source": "vendor calls",
    "defence": "the same numbers",
    "device": "cpu",
}


def gather_rows(table, index):
    rows = torch.nn.functional.embedding(index, table)
    return rows / (torch.linalg.vector_norm(rows, 1, -1, keepdim=True) + 1)
