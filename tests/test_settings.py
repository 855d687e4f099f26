"""Config accepts each setting up to its edges, and refuses what lies beyond by name."""

import dataclasses
import math

import pytest

from microgpt import Config

NAN, INF = math.nan, math.inf
REFUSED = {
    "n_embd": [0, -4, 16.0, "16"],
    "n_head": [0, -1, 3],
    "n_layer": [-1, 1.5],
    "block_size": [0],
    "init_std": [-0.1, NAN, INF, 10**400],
    "learning_rate": [-1e-9, NAN, INF, -INF, "0.1"],
    "beta1": [-0.1, 1.0, NAN],
    "beta2": [-0.1, 1.0, NAN],
    "eps_adam": [0.0, -1e-8, NAN, INF],
    "num_steps": [-1, 2.5, None],
    "temperature": [0.0, -0.5, NAN, INF],
    "num_samples": [-1],
    "seed": [1.5, "x", None],
    "prompt": ["a" * 16, 5],
}
ALLOWED = {
    "n_embd": [4],
    "n_head": [1, 16],
    "n_layer": [0],
    "block_size": [1],
    "init_std": [0.0, 1, 1e308],
    "learning_rate": [0.0, 1, 1e308],
    "beta1": [0, 0.999999],
    "beta2": [0, 0.999999],
    "eps_adam": [5e-324, 1e308],
    "num_steps": [0],
    "temperature": [5e-324, 1, 1e308],
    "num_samples": [0],
    "seed": [-1, 0, 10**400],
    "prompt": ["", "a" * 15],
}


def cases_of(table):
    """A case for each value of each setting."""
    return [
        pytest.param(name, value, id=f"{name}={value!r}"[:40])
        for name, values in table.items()
        for value in values
    ]


@pytest.mark.parametrize("name, value", cases_of(REFUSED))
def test_an_impossible_value_is_refused(name, value):
    """Config raises a ValueError that begins with the name of the setting (or of two)."""
    with pytest.raises(ValueError, match=rf"^(\w+ and )?{name}\b"):
        Config(**{name: value})


@pytest.mark.parametrize("name, value", cases_of(ALLOWED))
def test_a_value_at_the_edge_is_accepted(name, value):
    """Values next to those that are refused, and an int in place of a float."""
    assert getattr(Config(**{name: value}), name) == value


def test_a_setting_cannot_be_changed():
    """A Config is frozen: weights that were made for it still fit."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().n_embd = 32


def test_the_defaults_are_the_references_constants():
    """As they stand in microgpt.js, and no prompt."""
    assert Config() == Config(
        n_embd=16,
        n_head=4,
        n_layer=1,
        block_size=16,
        init_std=0.08,
        learning_rate=0.01,
        beta1=0.85,
        beta2=0.99,
        eps_adam=1e-8,
        num_steps=1000,
        temperature=0.5,
        num_samples=20,
        seed=42,
        prompt="",
    )
