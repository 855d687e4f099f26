"""Python's random numbers, rewritten so that every version of Python draws the same.

The documentation of `random` promises the same sequence for random() alone, not for gauss, shuffle
and choices. They stand here as they are in CPython 3.11 to 3.13: with `import random` in place of
this file, microgpt.py prints the same there. The generator is the Mersenne Twister, MT19937
(Matsumoto and Nishimura, ACM TOMACS 8, 1998), seeded by its authors' init_by_array (2002).
"""

import math
import os
from bisect import bisect
from itertools import accumulate

N = 624  # words of state
M = 397  # distance to the word that is mixed into each
WORD, UPPER, LOWER = 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF  # 32 bits, the top one, the 31 below it


class Random:
    """A generator of its own; Random(x) is seeded with x."""

    def __init__(self, x=None):
        self.seed(x)

    def seed(self, a=None):
        """Starts the sequence of the int a, or a random one for None. -42 and 42 are the same seed.

        Raises TypeError for other types: what CPython makes of them depends on its version.
        """
        if a is None:
            a = int.from_bytes(os.urandom(4 * N), "little")
        if not isinstance(a, int):
            raise TypeError(f"a seed must be an int or None, not {type(a).__name__}")
        key = [(abs(a) >> shift) & WORD for shift in range(0, max(1, a.bit_length()), 32)]
        mt = [19650218]
        for i in range(1, N):
            mt.append((1812433253 * (mt[-1] ^ (mt[-1] >> 30)) + i) & WORD)
        last = mt[0]  # the word written last
        i = 0  # runs from 1 to N - 1, again and again

        # Mix in the key.
        for n in range(max(N, len(key))):
            i = i % (N - 1) + 1
            j = n % len(key)
            last = mt[i] = ((mt[i] ^ (1664525 * (last ^ (last >> 30)))) + key[j] + j) & WORD

        # Mix once more.
        for _ in range(N - 1):
            i = i % (N - 1) + 1
            last = mt[i] = ((mt[i] ^ (1566083941 * (last ^ (last >> 30)))) - i) & WORD
        mt[0] = UPPER  # a state of zeros alone would stay so
        self._mt = mt
        self._used = N  # words that have been handed out
        self._gauss_next = None  # gauss() makes two deviates and keeps one

    def _word(self):
        """The next 32 random bits."""
        if self._used == N:
            # Twist: make the next N words of state, in a new list, so that a copy keeps its own.
            mt = list(self._mt)
            for i in range(N):
                y = (mt[i] & UPPER) | (mt[(i + 1) % N] & LOWER)
                mt[i] = mt[(i + M) % N] ^ (y >> 1) ^ (0x9908B0DF if y & 1 else 0)
            self._mt = mt
            self._used = 0
        y = self._mt[self._used]
        self._used += 1

        # Temper: spread the bits of the word.
        y ^= y >> 11
        y ^= (y << 7) & 0x9D2C5680
        y ^= (y << 15) & 0xEFC60000
        return y ^ (y >> 18)

    def getrandbits(self, k, /):
        """An int of k random bits. Raises ValueError for k < 0."""
        if k < 0:
            raise ValueError("number of bits must be non-negative")
        return sum((self._word() >> max(0, 32 + low - k)) << low for low in range(0, k, 32))

    def random(self):
        """A float in [0, 1), a multiple of 2**-53."""
        return ((self._word() >> 5) * 2**26 + (self._word() >> 6)) / 2**53  # 27 bits, then 26

    def gauss(self, mu=0.0, sigma=1.0):
        """A draw from the normal distribution, after Box and Muller (1958)."""
        z, self._gauss_next = self._gauss_next, None
        if z is None:
            angle = self.random() * 2 * math.pi
            radius = math.sqrt(-2 * math.log(1 - self.random()))
            z = math.cos(angle) * radius
            self._gauss_next = math.sin(angle) * radius
        return mu + z * sigma

    def shuffle(self, x):
        """Shuffles the list x in place, after Fisher and Yates (1938), from the last place down."""
        for i in reversed(range(1, len(x))):
            j = self.getrandbits((i + 1).bit_length())
            while j > i:  # draw again: a remainder would favour some places
                j = self.getrandbits((i + 1).bit_length())
            x[i], x[j] = x[j], x[i]

    def choices(self, population, weights=None, *, cum_weights=None, k=1):
        """A list of k draws from population, by weight. Raises what CPython raises."""
        if weights is not None:
            if cum_weights is not None:
                raise TypeError("cannot specify both weights and cumulative weights")
            cum_weights = list(accumulate(weights))
        if cum_weights is None:
            return [population[int(self.random() * len(population))] for _ in range(k)]
        if len(cum_weights) != len(population):
            raise ValueError("the number of weights does not match the population")
        total = cum_weights[-1]
        last = len(population) - 1
        if not 0 < total < math.inf:
            raise ValueError("the total of weights must be greater than zero and finite")
        return [population[bisect(cum_weights, self.random() * total, 0, last)] for _ in range(k)]


_inst = Random()
seed = _inst.seed
random = _inst.random
getrandbits = _inst.getrandbits
gauss = _inst.gauss
shuffle = _inst.shuffle
choices = _inst.choices

if hasattr(os, "register_at_fork"):  # a forked process draws numbers of its own
    os.register_at_fork(after_in_child=_inst.seed)
