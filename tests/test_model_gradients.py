"""Gradients of whole models agree with central differences, for every parameter."""

import dataclasses

import pytest
from helpers import central_differences, drawn_weights, parameters_of
from second_model import plain_loss

import microgpt
from microgpt import Config

SMALL = {
    "two layers": Config(n_embd=4, n_head=2, n_layer=2, block_size=4, init_std=0.5),
    "one head": Config(n_embd=6, n_head=1, n_layer=1, block_size=9, init_std=0.3),
}


@pytest.mark.parametrize("steps", [0, 4])
@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_of_a_small_model(name, steps):
    """The gradient of each weight is the central difference of second_model.py's loss."""
    config, docs = SMALL[name], ["abcab", "cab"]
    tokenizer = microgpt.Tokenizer(docs)
    state_dict = drawn_weights(config, tokenizer.vocab_size)
    training = dataclasses.replace(config, num_steps=steps)
    list(microgpt.train(docs, tokenizer, state_dict, training))
    params, tokens = parameters_of(state_dict), tokenizer.encode("abcab")
    for p in params:
        p.grad = 0.0
    loss = microgpt.document_loss(tokens, state_dict, config)
    loss.backward()
    assert sum(p.grad != 0 for p in params) > len(params) / 2
    expected = iter(central_differences(lambda: plain_loss(tokens, state_dict, config), params))
    for matrix_name, matrix in state_dict.items():
        for row in matrix:
            slopes = [next(expected) for _ in row]
            assert [p.grad for p in row] == pytest.approx(slopes, rel=1e-6, abs=1e-8), matrix_name
