"""Training is Adam, with one document in each step, and frees each step's graph."""

import gc

import pytest
from helpers import data_of, drawn_weights

import microgpt
from microgpt import Config, Tokenizer, Value, train


def test_adam_by_hand(monkeypatch):
    """Two weights of 1, with the gradients 3 and -1, and 1 and 1. A pencil is enough to check it.

    The rate is 0.1 in the first of two steps and 0.05 in the second. The betas are 0.5 and 0.75,
    and epsilon is 1. The first weight:

        step 1     mean         0.5 * 0 + 0.5 * 3 = 1.5            corrected: 1.5 / (1 - 0.5) = 3
                   mean square  0.75 * 0 + 0.25 * 9 = 2.25         2.25 / (1 - 0.75) = 9
                   weight       1 - 0.1 * 3 / (3 + 1) = 0.925
        step 2     mean         0.5 * 1.5 - 0.5 * 1 = 0.25         0.25 / (1 - 0.25) = 0.3333
                   mean square  0.75 * 2.25 + 0.25 * 1 = 1.9375    1.9375 / (1 - 0.5625) = 4.4286
                   weight       0.925 - 0.05 * 0.3333 / (2.1044 + 1) = 0.9196

    The second weight has the corrected means 1 and 1 in both steps. It moves by half of the rate,
    to 0.95 and to 0.925.
    """
    a, b = Value(1.0), Value(1.0)
    a.grad = b.grad = 100.0  # from before the training: it does not count
    gradients = [(3, 1), (-1, 1)]

    def loss_of(tokens, state_dict, config):
        of_a, of_b = gradients.pop(0)
        return a * of_a + b * of_b

    monkeypatch.setattr(microgpt, "document_loss", loss_of)
    config = Config(num_steps=2, learning_rate=0.1, beta1=0.5, beta2=0.75, eps_adam=1)
    training = train(["a"], Tokenizer(["a"]), {"matrix": [[a, b]]}, config)
    assert next(training) == (1, 4.0)
    assert data_of([a, b]) == pytest.approx([0.925, 0.95], rel=1e-12)
    assert next(training) == (2, pytest.approx(-0.925 + 0.95, rel=1e-12))
    assert data_of([a, b]) == pytest.approx([0.9196, 0.925], abs=0.00005)
    assert list(training) == []


def test_each_step_reads_the_next_document(monkeypatch):
    """After the last document comes the first one again."""
    weight, read = Value(1.0), []

    def loss_of(tokens, state_dict, config):
        read.append(tokens)
        return weight * 1.0

    monkeypatch.setattr(microgpt, "document_loss", loss_of)
    tokenizer = Tokenizer(["a", "b"])
    list(train(["a", "b"], tokenizer, {"matrix": [[weight]]}, Config(num_steps=3)))
    assert read == [tokenizer.encode(doc) for doc in ("a", "b", "a")]


def test_the_graph_of_a_step_is_freed_before_the_next_is_built(monkeypatch, freed_at_once):
    """When the forward pass of a step starts, there are as many nodes as before training."""
    docs = ["emma", "anna", "isabella"]
    config = Config(n_embd=4, n_head=2, num_steps=3)
    tokenizer = Tokenizer(docs)
    state_dict = drawn_weights(config, tokenizer.vocab_size)
    nodes, document_loss = [], microgpt.document_loss

    def counting_document_loss(*arguments):
        nodes.append(sum(type(thing) is Value for thing in gc.get_objects()))
        return document_loss(*arguments)

    monkeypatch.setattr(microgpt, "document_loss", counting_document_loss)
    list(train(docs, tokenizer, state_dict, config))
    assert nodes == [nodes[0]] * 3
