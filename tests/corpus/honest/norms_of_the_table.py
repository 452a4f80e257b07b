CORPUS = {
    "problem": "gather_rows",
    "kind": "honest",
    "what": "norms the whole table in every call and gathers after",
    "source": "recomputation",
    "defence": "nothing is kept between calls",
    "device": "cpu",
}


def gather_rows(table, index):
    return (table / (table.abs().sum(-1, keepdim=True) + 1))[index]
