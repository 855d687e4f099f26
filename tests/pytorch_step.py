"""The first step of the default run as PyTorch computes it.

    python tests/pytorch_step.py > tests/golden/pytorch.gradients.txt

The same weights go through the same model built from torch.nn.functional, in double precision, over
all positions at once, with a causal mask. Prints the loss, the norm of each matrix's gradient, and
twelve entries.
"""

import math
import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from helpers import before_the_first_step  # noqa: E402

ENTRIES = [
    ("wte", 0, 0),
    ("wte", 26, 7),
    ("wpe", 0, 3),
    ("wpe", 5, 11),
    ("lm_head", 4, 0),
    ("lm_head", 26, 15),
    ("layer0.attn_wq", 1, 2),
    ("layer0.attn_wk", 9, 14),
    ("layer0.attn_wv", 8, 8),
    ("layer0.attn_wo", 15, 0),
    ("layer0.mlp_fc1", 40, 5),
    ("layer0.mlp_fc2", 12, 63),
]


def tensor_of(matrix):
    rows = [[p.data for p in row] for row in matrix]
    return torch.tensor(rows, dtype=torch.float64, requires_grad=True)


def pytorchs_first_step():
    """(loss, {name: matrix of gradients})"""
    docs, tokenizer, state_dict, config = before_the_first_step()
    w = {name: tensor_of(matrix) for name, matrix in state_dict.items()}
    tokens, shape = torch.tensor(tokenizer.encode(docs[0])), (config.n_embd,)

    def heads(x, name):
        return F.linear(x, w[name]).unflatten(-1, (config.n_head, -1)).transpose(0, 1)

    x = F.rms_norm(w["wte"][tokens[:-1]] + w["wpe"][: len(tokens) - 1], shape, eps=1e-5)
    h = F.rms_norm(x, shape, eps=1e-5)
    q, k, v = (heads(h, f"layer0.attn_w{name}") for name in "qkv")
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1).flatten(-2)
    x = x + F.linear(mixed, w["layer0.attn_wo"])
    h = F.rms_norm(x, shape, eps=1e-5)
    x = x + F.linear(F.relu(F.linear(h, w["layer0.mlp_fc1"])), w["layer0.mlp_fc2"])
    loss = F.cross_entropy(F.linear(x, w["lm_head"]), tokens[1:])
    loss.backward()
    return loss.item(), {name: matrix.grad.tolist() for name, matrix in w.items()}


def summary(loss, gradients):
    """{line: number} from the loss and {name: matrix of floats}."""
    lines = {"loss": loss}
    for name, matrix in gradients.items():
        lines[f"{name} norm"] = math.sqrt(math.fsum(g**2 for row in matrix for g in row))
    for name, row, column in ENTRIES:
        lines[f"{name} {row} {column}"] = gradients[name][row][column]
    return lines


if __name__ == "__main__":
    for words, number in summary(*pytorchs_first_step()).items():
        print(words, repr(number))
