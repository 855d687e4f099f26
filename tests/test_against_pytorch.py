"""PyTorch computes the same loss and the same gradients, in the first step of the default run, in double precision.

golden/pytorch.gradients.txt is its own summary, which pytorch_step.py printed. It is checked without PyTorch, too."""

import math

import pytest
from conftest import GOLDEN, default_run

import microgpt

LINES = (GOLDEN / "pytorch.gradients.txt").read_text().splitlines()
KEPT = {words: float(number) for words, _, number in (line.rpartition(" ") for line in LINES)}

def our_first_step():
    """(loss, {name: matrix of gradients})"""
    docs, tokenizer, state_dict, config = default_run()
    loss = microgpt.document_loss(tokenizer.encode(docs[0]), state_dict, config)
    loss.backward()
    return loss.data, {name: [[p.grad for p in row] for row in matrix] for name, matrix in state_dict.items()}

def test_the_summary_that_pytorch_made():
    """Fails for a loss, a norm or one of twelve gradients that differs by more than 1e-12 of itself."""
    loss, gradients = our_first_step()
    assert len(KEPT) == 1 + 9 + 12
    for words, expected in KEPT.items():
        name, *where = words.split()
        if where == ["norm"]:
            ours = math.sqrt(math.fsum(g**2 for row in gradients[name] for g in row))
        else:
            ours = gradients[name][int(where[0])][int(where[1])] if where else loss
        assert ours == pytest.approx(expected, rel=1e-12), words

def test_all_4192_gradients():
    """Fails for a loss that differs by 1e-15, one of 4,192 gradients by 1e-12, or a summary that is not PyTorch's."""
    pytest.importorskip("torch", reason="pip install torch")
    import pytorch_step

    (loss, gradients), (their_loss, their_gradients) = our_first_step(), pytorch_step.pytorchs_first_step()
    flat = lambda grads: [g for matrix in grads.values() for row in matrix for g in row]  # noqa: E731
    assert loss == pytest.approx(their_loss, rel=1e-15)
    assert len(flat(gradients)) == 4192
    assert flat(gradients) == pytest.approx(flat(their_gradients), rel=0, abs=1e-12)
    assert pytorch_step.summary(their_loss, their_gradients) == pytest.approx(KEPT, rel=1e-12)
