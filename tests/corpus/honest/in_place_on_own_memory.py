CORPUS = {
    "problem": "masked_softmax",
    "kind": "honest",
    "what": "works in place, on memory of its own",
    "source": "own",
    "defence": "inputs are left as they are",
    "device": "cpu",
}


def masked_softmax(x, mask):
    y = x.clone()
    y.masked_fill_(mask, float("-inf"))
    y.sub_(y.amax(-1, keepdim=True)).exp_()
    return y.div_(y.sum(-1, keepdim=True))
