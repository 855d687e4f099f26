"""The first step of the default run as PyTorch computes it.

    python tests/golden/pytorch_step.py > tests/golden/pytorch.gradients.txt

The same weights go through the same model built from torch.nn.functional, in double precision, over
all positions at once, with a causal mask. Prints the loss, and the gradient of each matrix, row by
row.
"""

import pathlib
import sys

import torch
import torch.nn.functional as F

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from helpers import before_the_first_step  # noqa: E402


def tensor_of(matrix):
    """A tensor with the numbers of a matrix of Values."""
    rows = [[p.data for p in row] for row in matrix]
    return torch.tensor(rows, dtype=torch.float64, requires_grad=True)


def heads(x, w):
    """x (tokens, n_embd) times the matrix w, as (n_head, tokens, head_dim)."""
    return F.linear(x, w).unflatten(-1, (config.n_head, -1)).transpose(0, 1)


def rms_norm(x):
    return F.rms_norm(x, (config.n_embd,), eps=1e-5)


docs, tokenizer, state_dict, config = before_the_first_step()
w = {name: tensor_of(matrix) for name, matrix in state_dict.items()}
tokens = torch.tensor(tokenizer.encode(docs[0]))

x = rms_norm(w["wte"][tokens[:-1]] + w["wpe"][: len(tokens) - 1])

h = rms_norm(x)
q, k, v = (heads(h, w[f"layer0.attn_w{name}"]) for name in "qkv")
mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1).flatten(-2)
x = x + F.linear(mixed, w["layer0.attn_wo"])

h = rms_norm(x)
x = x + F.linear(F.relu(F.linear(h, w["layer0.mlp_fc1"])), w["layer0.mlp_fc2"])

loss = F.cross_entropy(F.linear(x, w["lm_head"]), tokens[1:])
loss.backward()

print(f"loss: {loss.item()!r}")
for name, matrix in w.items():
    for i, row in enumerate(matrix.grad.tolist()):
        print(f"{name} row {i}:", *row)
