"""What CPython 3.11 to 3.13 draw from seed 42, in digits.

The standard library may change gauss, shuffle and choices. These draws stay, and what compares
random_compat with the standard library is skipped where that no longer gives them.
"""

import random

FROZEN = {
    "random": 0.6394267984578837,
    "getrandbits": 2053695854357871005,
    "gauss": [-0.14409032957792836, -0.1729036003315193],
    "choices": [6, 0, 2, 2, 7],
    "choices by weight": ["c", "a", "b", "b", "c"],
    "shuffle": [7, 3, 2, 8, 5, 6, 9, 4, 0, 1],
}


def draws_of(module):
    """What a module like random draws from seed 42, in the form of FROZEN."""

    def generator():
        return module.Random(42)

    ten = list(range(10))
    generator().shuffle(ten)
    gauss = generator()
    return {
        "random": generator().random(),
        "getrandbits": generator().getrandbits(64),
        "gauss": [round(gauss.gauss(0, 1), 13) for _ in range(2)],
        "choices": generator().choices(range(10), k=5),
        "choices by weight": generator().choices("abc", [1, 2, 3], k=5),
        "shuffle": ten,
    }


def rounded(draws):
    """With 13 digits of gauss: C libraries differ in the last digit of log, sin and cos."""
    return {**draws, "gauss": [round(x, 13) for x in draws["gauss"]]}


def changed_in_the_standard_library():
    """The names of the functions that draw other numbers there than the frozen ones."""
    theirs, frozen = draws_of(random), rounded(FROZEN)
    return [name for name in frozen if theirs[name] != frozen[name]]
