"""PyTorch computes the same loss and the same gradients: the first step of the default run, in double precision.

The same weights go through the same model built from torch.nn.functional, over all positions at once, with a causal
mask: no cache, no scalars, an autograd written by others. golden/pytorch.gradients.txt is PyTorch's own summary, as
`python tests/test_against_pytorch.py` prints it: the loss, the norm of each matrix's gradient, and twelve entries. It
is checked where there is no PyTorch.
"""

import math

import pytest
from conftest import GOLDEN, default_run

import microgpt

ENTRIES = [
    ("wte", 0, 0), ("wte", 26, 7), ("wpe", 0, 3), ("wpe", 5, 11), ("lm_head", 4, 0), ("lm_head", 26, 15),
    ("layer0.attn_wq", 1, 2), ("layer0.attn_wk", 9, 14), ("layer0.attn_wv", 8, 8), ("layer0.attn_wo", 15, 0),
    ("layer0.mlp_fc1", 40, 5), ("layer0.mlp_fc2", 12, 63),
]  # fmt: skip


def our_first_step():
    """(loss, {name: matrix of gradients})"""
    docs, tokenizer, state_dict, config = default_run()
    loss = microgpt.document_loss(tokenizer.encode(docs[0]), state_dict, config)
    loss.backward()
    return loss.data, {name: [[p.grad for p in row] for row in matrix] for name, matrix in state_dict.items()}


def pytorchs_first_step():
    """The same from PyTorch."""
    import torch
    import torch.nn.functional as F

    docs, tokenizer, state_dict, config = default_run()
    tokens, shape = torch.tensor(tokenizer.encode(docs[0])), (config.n_embd,)
    w = {
        name: torch.tensor([[p.data for p in row] for row in matrix], dtype=torch.float64, requires_grad=True)
        for name, matrix in state_dict.items()
    }
    x = F.rms_norm(w["wte"][tokens[:-1]] + w["wpe"][: len(tokens) - 1], shape, eps=1e-5)
    h = F.rms_norm(x, shape, eps=1e-5)
    q, k, v = (F.linear(h, w[f"layer0.attn_w{n}"]).unflatten(-1, (config.n_head, -1)).transpose(0, 1) for n in "qkv")
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


def kept():
    pairs = (line.rpartition(" ") for line in (GOLDEN / "pytorch.gradients.txt").read_text().splitlines())
    return {words: float(number) for words, _, number in pairs}


def test_the_summary_that_pytorch_made():
    """Fails for a loss or a gradient that differs by more than 1e-12 of itself from what PyTorch computed."""
    ours = summary(*our_first_step())
    assert len(ours) == 1 + 9 + 12
    assert ours == pytest.approx(kept(), rel=1e-12)


def test_all_4192_gradients():
    """Fails for a loss that differs by more than 1e-15, for any of the 4,192 gradients that differs by more than 1e-12,
    and for a summary in golden/ that is not PyTorch's."""
    pytest.importorskip("torch", reason="pip install torch")
    (loss, gradients), (their_loss, their_gradients) = our_first_step(), pytorchs_first_step()
    assert loss == pytest.approx(their_loss, rel=1e-15)
    ours, theirs = ([g for matrix in grads.values() for row in matrix for g in row] for grads in
                    (gradients, their_gradients))  # fmt: skip
    assert len(ours) == 4192
    assert ours == pytest.approx(theirs, rel=0, abs=1e-12)
    assert summary(their_loss, their_gradients) == pytest.approx(kept(), rel=1e-12)


if __name__ == "__main__":
    for words, number in summary(*pytorchs_first_step()).items():
        print(words, repr(number))
