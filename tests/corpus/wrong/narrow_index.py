CORPUS = {
    "problem": "gather_rows",
    "kind": "wrong",
    "what": "the index passes through eight bits and wraps",
    "source": "32-bit index overflow, in small",
    "defence": "indices reach the whole table",
    "device": "cpu",
    "fast": True,
}


def gather_rows(table, index):
    rows = table[index.byte().long()]
    return rows / (rows.abs().sum(-1, keepdim=True) + 1)
