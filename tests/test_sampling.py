"""Samples continue their prompt as the model would, end at bos or at the block, and no sooner."""

import dataclasses

import pytest
from helpers import data_of, drawn_weights

import microgpt
from microgpt import Config, Tokenizer, gpt, sample, softmax, train

WORDS = ["abcd", "dcba"]


@pytest.fixture(scope="module")
def two_words():
    """(tokenizer, weights, settings) of a model that knows two words and is sampled greedily."""
    config = Config(n_embd=8, n_head=2, block_size=8, num_steps=150, temperature=0.01)
    tokenizer = Tokenizer(WORDS)
    state_dict = drawn_weights(config, tokenizer.vocab_size)
    list(train(WORDS, tokenizer, state_dict, config))
    return tokenizer, state_dict, config


def test_a_higher_temperature_evens_the_probabilities_out(monkeypatch, two_words):
    """The probabilities that are drawn from are softmax(logits / temperature)."""
    tokenizer, state_dict, config = two_words
    seen = []

    def choices(population, weights):
        seen.append(weights)
        return [tokenizer.bos]

    monkeypatch.setattr(microgpt.random, "choices", choices)
    for temperature in (0.5, 1.0):
        sample(tokenizer, state_dict, dataclasses.replace(config, temperature=temperature))
    squares = [p * p for p in seen[1]]  # exp(2 x) is exp(x) squared
    assert seen[0] == pytest.approx([p / sum(squares) for p in squares], rel=1e-9)


@pytest.mark.parametrize(
    "prompt, expected", [("a", "abcd"), ("d", "dcba"), ("dc", "dcba"), ("abcd", "abcd")]
)
def test_a_sample_continues_its_prompt(two_words, prompt, expected):
    """The prompt is read at the positions at which it was learned, and stands in the sample."""
    tokenizer, state_dict, config = two_words
    prompted = dataclasses.replace(config, prompt=prompt)
    assert sample(tokenizer, state_dict, prompted) == expected


def test_a_prompt_that_leaves_one_place_is_continued_by_one(two_words):
    """With 7 of 8 places taken, a sample has 7 or 8 characters."""
    tokenizer, state_dict, config = two_words
    full = dataclasses.replace(config, prompt="abcdabc", temperature=9.0)
    assert {len(sample(tokenizer, state_dict, full)) for _ in range(40)} == {7, 8}


def test_a_prompt_with_an_unknown_character_is_a_key_error(two_words):
    """sample() itself has no words for it; run() and the command look at the prompt before."""
    tokenizer, state_dict, config = two_words
    with pytest.raises(KeyError, match="!"):
        sample(tokenizer, state_dict, dataclasses.replace(config, prompt="!"))


def test_every_character_of_the_prompt_is_read(monkeypatch, two_words):
    """The first draw after a prompt is from what the model says after all of its tokens."""
    tokenizer, state_dict, config = two_words
    prompted = dataclasses.replace(config, prompt="abd", temperature=1.0)
    keys, values = [[]], [[]]
    for pos_id, token_id in enumerate(tokenizer.encode("abd")[:-1]):
        logits = gpt(token_id, pos_id, keys, values, state_dict, config)
    seen = []

    def choices(population, weights):
        seen.append(weights)
        return [tokenizer.bos]

    monkeypatch.setattr(microgpt.random, "choices", choices)
    sample(tokenizer, state_dict, prompted)
    assert seen == [pytest.approx(data_of(softmax(logits)), rel=1e-12)]


def drawing(monkeypatch, tokens):
    """random.choices hands out these tokens, one a call, and nothing else."""
    draws = iter(tokens)
    monkeypatch.setattr(microgpt.random, "choices", lambda population, weights: [next(draws)])


def test_a_sample_ends_at_the_first_bos(monkeypatch, two_words):
    """No token is drawn after bos, and bos is no part of the text."""
    tokenizer, state_dict, config = two_words
    drawing(monkeypatch, [0, 1, tokenizer.bos])
    assert sample(tokenizer, state_dict, config) == "ab"


def test_bos_may_be_a_large_number(monkeypatch):
    """With 300 characters bos is 300, which CPython does not keep as one object."""
    tokenizer = Tokenizer(["".join(map(chr, range(1000, 1300)))])
    config = Config(n_embd=4, n_head=1)
    drawing(monkeypatch, [int("300")])
    assert sample(tokenizer, drawn_weights(config, tokenizer.vocab_size), config) == ""


def test_a_sample_fills_the_block_at_most(monkeypatch, two_words):
    """Without a bos, block_size tokens are drawn."""
    tokenizer, state_dict, config = two_words
    drawing(monkeypatch, [2] * config.block_size)
    assert sample(tokenizer, state_dict, config) == "c" * config.block_size
