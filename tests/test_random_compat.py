"""random_compat draws what CPython 3.11 to 3.13 draw, to the bit, on every version of Python."""

import math
import random as stdlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import random_compat

# Published numbers


def test_the_authors_vector():
    """Words of mt19937ar.out, for the key 0x123 0x234 0x345 0x456."""
    generator = random_compat.Random(0x123 | 0x234 << 32 | 0x345 << 64 | 0x456 << 96)
    words = [generator._bits(32) for _ in range(1000)]
    assert words[:5] == [1067595299, 955945823, 477289528, 4107218783, 4228976476]
    assert words[5:10] == [3344332714, 3355579695, 227628506, 810200273, 2591290167]
    assert words[-1] == 3460025646


def shuffled(generator):
    """The numbers from 0 to 9, shuffled."""
    ten = list(range(10))
    generator.shuffle(ten)
    return ten


# What CPython 3.11 to 3.13 draw from seed 42. These digits stay when the standard library changes.
FROZEN = {
    "random": (lambda generator: [generator.random()], [0.6394267984578837]),
    "gauss": (
        lambda generator: [generator.gauss(0, 1) for _ in range(3)],
        [-0.14409032957792836, -0.1729036003315193, -0.11131586156766246],
    ),
    "choices": (lambda generator: generator.choices(range(10), k=5), [6, 0, 2, 2, 7]),
    "choices by weight": (
        lambda generator: generator.choices(range(3), [1, 2, 3], k=5),
        [2, 0, 1, 1, 2],
    ),
    "shuffle": (shuffled, [7, 3, 2, 8, 5, 6, 9, 4, 0, 1]),
}


def draws(name, module):
    """What Random(42) of a module draws."""
    draw, _ = FROZEN[name]
    return draw(module.Random(42))


def frozen(name):
    """The frozen digits, to the bit, but for gauss: C libraries may differ in log, sin and cos."""
    _, digits = FROZEN[name]
    return pytest.approx(digits, rel=1e-14, abs=0) if name == "gauss" else digits


@pytest.mark.parametrize("name", FROZEN)
def test_the_frozen_draws_of_seed_42(name):
    """What CPython 3.11 to 3.13 draw, whatever this Python's own random does."""
    assert draws(name, random_compat) == frozen(name)


def test_the_second_deviate_is_scaled_as_the_first():
    """gauss() makes two deviates at a time; both get the mean and the deviation of their call."""
    generator = random_compat.Random(42)
    first, second, _ = draws("gauss", random_compat)
    assert generator.gauss(10, 3) == pytest.approx(10 + 3 * first, rel=1e-14, abs=0)
    assert generator.gauss(-5, 2) == pytest.approx(-5 + 2 * second, rel=1e-14, abs=0)


def test_a_new_seed_forgets_the_second_deviate():
    """After seed(), gauss() starts with the first deviate of the new sequence."""
    generator = random_compat.Random(7)
    generator.gauss()
    generator.seed(42)
    assert [generator.gauss() for _ in range(3)] == frozen("gauss")


# The standard library, call by call

changed = [name for name in FROZEN if draws(name, stdlib) != frozen(name)]
with_the_standard_library = pytest.mark.skipif(
    bool(changed), reason=f"this Python draws other numbers than 3.11 to 3.13 in {changed}"
)
seeds = st.integers(-(2**80), 2**80)
weights = st.lists(st.floats(0, 9), min_size=1, max_size=9).filter(any)
calls = st.one_of(
    st.tuples(st.just("random")),
    st.tuples(st.just("gauss"), st.floats(-1e6, 1e6), st.floats(-9, 9)),
    st.tuples(st.just("shuffle"), st.integers(0, 700)),
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


SEEDS = {
    "zero": 0,
    "True": True,
    "a full word": 2**32 - 1,
    "two words": 2**32,
    "below zero": -(2**33),
    "as long as the state": 2**19968 - 1,
    "longer than the state": 2**19968,
    "991 words below zero": -(3**20000),
}


@with_the_standard_library
@pytest.mark.parametrize("name", SEEDS)
def test_many_rounds_of_the_state(name):
    """2000 floats and a shuffle agree, for seeds of one to 991 words."""
    ours, theirs = random_compat.Random(SEEDS[name]), stdlib.Random(SEEDS[name])
    for i in range(2000):
        assert ours.random() == theirs.random(), f"draw {i}"
    assert perform(ours, "shuffle", 1000) == perform(theirs, "shuffle", 1000)


@with_the_standard_library
@settings(max_examples=100)
@given(seeds, st.lists(calls, max_size=30))
def test_any_sequence_of_calls(seed, sequence):
    """Each call gives the same result, and leaves the next one at the same place."""
    ours, theirs = random_compat.Random(seed), stdlib.Random(seed)
    for call in sequence:
        assert perform(ours, *call) == perform(theirs, *call), call
    assert ours.random() == theirs.random()


# Seeds, generators and errors


def test_no_seed_means_a_new_sequence():
    """Random() and seed(None) draw something else each time."""
    assert len({random_compat.Random().random() for _ in range(3)}) == 3
    random_compat.seed(None)
    first = random_compat.random()
    random_compat.seed()
    assert random_compat.random() != first


@pytest.mark.parametrize("seed", [1.0, "1", b"1", [1]])
def test_a_seed_that_is_not_an_int_is_a_type_error(seed):
    """Versions of CPython turn a float or a text into different seeds."""
    with pytest.raises(TypeError):
        random_compat.seed(seed)


def test_the_modules_functions_share_one_generator():
    """All of them follow seed(), and the standard library's generator is left alone."""
    stdlib.seed(11)
    random_compat.seed(12)
    expected = random_compat.Random(12)
    for name, *arguments in (["random"], ["gauss"], ["shuffle", 50], ["choices", [1.0, 2.0], 2]):
        assert perform(random_compat, name, *arguments) == perform(expected, name, *arguments)
    assert stdlib.random() == stdlib.Random(11).random()


@pytest.mark.parametrize("fraction, item", [(0.0, "b"), (0.5, "c"), (1.0, "c")])
def test_choices_at_the_ends_of_random(fraction, item):
    """At 0.0 the first item with a weight is chosen. Rounding to 1.0 still chooses the last one."""
    generator = random_compat.Random(9)
    generator.random = lambda: fraction
    assert generator.choices("abc", [0.0, 1.0, 2.0]) == [item]


@pytest.mark.parametrize(
    "weights", [[0.0, 0.0], [-1.0, -2.0], [1.0, math.inf], [1.0, math.nan], [1.0], [1.0, 1.0, 1.0]]
)
def test_invalid_weights_are_refused(weights):
    """A total of 0, below 0, infinite or nan, and too few or too many weights: ValueError."""
    with pytest.raises(ValueError):
        random_compat.choices("ab", weights)
