CORPUS = {
    "problem": "gather_rows",
    "kind": "wrong",
    "what": "leaves out the one that is added to the norm",
    "source": "own",
    "defence": "small inputs, where it counts",
    "device": "cpu",
}


def gather_rows(table, index):
    rows = table[index]
    return rows / rows.abs().sum(-1, keepdim=True)
