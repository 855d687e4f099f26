"""Any sequence of calls draws what the standard library draws."""

import random as stdlib

import pytest
from frozen import changed_in_the_standard_library

pytest.importorskip("hypothesis", reason="pip install hypothesis")
if changed := changed_in_the_standard_library():
    pytest.skip(f"this Python draws other numbers in {changed}", allow_module_level=True)

from hypothesis import given, settings
from hypothesis import strategies as st

import random_compat

special_seeds = st.sampled_from([0, True, 2**31, 2**32 - 1, 2**32, -(2**33)])
seeds = st.one_of(st.integers(-(2**80), 2**80), special_seeds)
weights = st.lists(st.floats(0, 9), min_size=1, max_size=9).filter(any)
calls = st.one_of(
    st.tuples(st.just("random")),
    st.tuples(st.just("getrandbits"), st.integers(0, 130)),
    st.tuples(st.just("gauss"), st.floats(-1e6, 1e6), st.floats(-9, 9)),
    st.tuples(st.just("shuffle"), st.integers(0, 70)),
    st.tuples(st.just("choices"), weights, st.integers(0, 4)),
    st.tuples(st.just("seed"), seeds),
)


def perform(generator, name, *arguments):
    """The result of one call; for shuffle, the shuffled list."""
    if name == "shuffle":
        items = list(range(arguments[0]))
        assert generator.shuffle(items) is None
        return items
    if name == "choices":
        weights, k = arguments
        items = range(len(weights))
        return generator.choices(items, weights, k=k) + generator.choices(items, k=k)
    return getattr(generator, name)(*arguments)


@settings(max_examples=200)
@given(seeds, st.lists(calls, max_size=30))
def test_any_sequence_of_calls(seed, sequence):
    """Each call gives the same result, and leaves the next one at the same place."""
    ours, theirs = random_compat.Random(seed), stdlib.Random(seed)
    for call in sequence:
        assert perform(ours, *call) == perform(theirs, *call), call
    assert ours.random() == theirs.random()
