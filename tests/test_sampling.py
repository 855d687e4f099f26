"""Samples continue their prompt as the model would, end at bos or at the block, and no sooner."""

import dataclasses
import math

import pytest
from helpers import data_of, drawn_weights

import microgpt
from microgpt import Config, Tokenizer, empty_cache, gpt, sample, softmax


@pytest.fixture
def untrained():
    """(tokenizer, weights, settings) of a model of two layers with random weights."""
    config = Config(n_embd=8, n_head=2, n_layer=2, block_size=8, init_std=0.5)
    tokenizer = Tokenizer(["abcd"])
    return tokenizer, drawn_weights(config, tokenizer.vocab_size), config


@pytest.fixture
def drawing(monkeypatch):
    """Makes each call of random.choices return the next of these tokens, and keeps its weights."""

    def hand_out(tokens):
        draws, seen = iter(tokens), []

        def choices(population, weights, **ignored):
            assert list(population) == list(range(len(weights)))
            seen.append(weights)
            return [next(draws)]

        monkeypatch.setattr(microgpt.random, "choices", choices)
        return seen

    return hand_out


# Where a sample ends


def test_a_sample_ends_at_the_first_bos(drawing, untrained):
    """No token is drawn after bos, and bos is no part of the text."""
    tokenizer, state_dict, config = untrained
    drawing([0, 1, tokenizer.bos])
    assert sample(tokenizer, state_dict, config) == "ab"


def test_a_sample_fills_the_block_at_most(drawing, untrained):
    """Without a bos, block_size tokens are drawn."""
    tokenizer, state_dict, config = untrained
    drawing([2] * config.block_size)
    assert sample(tokenizer, state_dict, config) == "c" * config.block_size


# What it is drawn from


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_temperature_divides_the_logits(drawing, untrained, temperature):
    """The probabilities that are drawn from are softmax(logits / temperature)."""
    tokenizer, state_dict, config = untrained
    logits = gpt(tokenizer.bos, 0, *empty_cache(config), state_dict, config)
    exps = [math.exp(logit.data / temperature) for logit in logits]
    seen = drawing([tokenizer.bos])
    sample(tokenizer, state_dict, dataclasses.replace(config, temperature=temperature))
    assert seen == [pytest.approx([e / sum(exps) for e in exps], rel=1e-9)]


def test_every_draw_is_from_all_that_was_read(drawing, untrained):
    """The prompt is read first, and then each token that was drawn."""
    tokenizer, state_dict, config = untrained
    prompted = dataclasses.replace(config, prompt="abd", temperature=1.0)
    keys, values = empty_cache(config)
    probs = [
        data_of(softmax(gpt(token_id, pos_id, keys, values, state_dict, config)))
        for pos_id, token_id in enumerate(tokenizer.encode("abdc")[:-1])
    ]
    seen = drawing([tokenizer.encode("c")[1], tokenizer.bos])
    assert sample(tokenizer, state_dict, prompted) == "abdc"
    assert seen == [pytest.approx(p, rel=1e-12) for p in probs[-2:]]  # after d, and after c


def test_a_prompt_that_leaves_one_place_is_continued_by_one(drawing, untrained):
    """With 7 of 8 places taken, one more token is drawn."""
    tokenizer, state_dict, config = untrained
    drawing([2])
    full = dataclasses.replace(config, prompt="abcdabc")
    assert sample(tokenizer, state_dict, full) == "abcdabcc"
