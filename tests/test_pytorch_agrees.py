"""PyTorch computes the same loss and gradients in the first step of the default run, in doubles.

golden/pytorch.gradients.txt is its own summary, which pytorch_step.py printed. It is checked
without PyTorch, too.
"""

import math

import pytest
from helpers import GOLDEN, before_the_first_step

import microgpt

pytestmark = pytest.mark.slow  # not for its time: a mistake is to fail first where its subject is

LINES = (GOLDEN / "pytorch.gradients.txt").read_text(encoding="utf-8").splitlines()
SUMMARY = {words: float(number) for words, _, number in (line.rpartition(" ") for line in LINES)}


@pytest.fixture(scope="module")
def first_step():
    """(loss, {name: matrix of gradients})"""
    docs, tokenizer, state_dict, config = before_the_first_step()
    loss = microgpt.document_loss(tokenizer.encode(docs[0]), state_dict, config)
    loss.backward()
    gradients = {
        name: [[p.grad for p in row] for row in matrix] for name, matrix in state_dict.items()
    }
    return loss.data, gradients


def test_the_summary_is_complete():
    """A loss, nine norms and twelve entries."""
    assert len(SUMMARY) == 1 + 9 + 12


@pytest.mark.parametrize("words", SUMMARY)
def test_the_summary_that_pytorch_made(words, first_step):
    """The loss, the norm of each matrix's gradient and twelve entries agree to 1e-12."""
    loss, gradients = first_step
    name, *where = words.split()
    if name == "loss":
        ours = loss
    elif where == ["norm"]:
        ours = math.sqrt(math.fsum(g**2 for row in gradients[name] for g in row))
    else:
        ours = gradients[name][int(where[0])][int(where[1])]
    assert ours == pytest.approx(SUMMARY[words], rel=1e-12)


@pytest.fixture(scope="module")
def pytorch():
    """pytorch_step.py, where PyTorch is installed."""
    pytest.importorskip("torch", reason="pip install torch")
    import pytorch_step

    return pytorch_step


def test_all_4192_gradients(first_step, pytorch):
    """The loss agrees to 1e-15, and each gradient to 1e-12."""
    (loss, gradients), (their_loss, their_gradients) = first_step, pytorch.pytorchs_first_step()
    assert loss == pytest.approx(their_loss, rel=1e-15)
    assert sum(len(row) for matrix in gradients.values() for row in matrix) == 4192
    for name, matrix in gradients.items():
        for row, their_row in zip(matrix, their_gradients[name]):
            assert row == pytest.approx(their_row, rel=0, abs=1e-12), name


def test_the_summary_is_still_what_pytorch_prints(pytorch):
    """The file is what the installed PyTorch computes."""
    assert pytorch.summary(*pytorch.pytorchs_first_step()) == pytest.approx(SUMMARY, rel=1e-12)
