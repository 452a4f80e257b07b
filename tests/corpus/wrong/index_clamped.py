CORPUS = {
    "problem": "gather_rows",
    "kind": "wrong",
    "what": "the last row of the table is never read",
    "source": "bounds checks with < n - 1",
    "defence": "every row has a limit; indices reach the whole table",
    "device": "cpu",
}


def gather_rows(table, index):
    rows = table[index.clamp(max=table.shape[0] - 2)]
    return rows / (rows.abs().sum(-1, keepdim=True) + 1)
