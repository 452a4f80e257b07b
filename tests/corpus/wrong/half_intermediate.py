CORPUS = {
    "problem": "row_softmax",
    "kind": "wrong",
    "what": "the differences to the maximum pass through float16",
    "source": "a load in the wrong type",
    "defence": "limits come from the reference's own error in float32",
    "device": "cpu",
}


def row_softmax(x):
    d = (x - x.amax(-1, keepdim=True)).half().float()
    e = d.exp()
    return e / e.sum(-1, keepdim=True)
