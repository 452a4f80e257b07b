CORPUS = {
    "problem": "row_spread",
    "kind": "wrong",
    "what": "mean and spread pass through float16",
    "source": "a store in the wrong type",
    "defence": "the signed error of rows; limits from the reference's error",
    "device": "cpu",
}


def row_spread(x):
    mean, spread = x.mean(-1, keepdim=True), x.std(-1, keepdim=True)
    return (x - mean.half().float()) / spread.half().float()
