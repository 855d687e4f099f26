"""CPython's random numbers, pinned: the same seed gives the same draws in every version of Python.

The documentation of `random` promises this of random(), but not of gauss, shuffle and choices, so
they stand here as they are in CPython 3.11 to 3.13. The generator is the Mersenne Twister, MT19937
(Matsumoto and Nishimura, ACM TOMACS 8, 1998), seeded by its authors' init_by_array (2002).
"""

import math
import os
from bisect import bisect
from itertools import accumulate

N, M = 624, 397  # words of state; distance to the word that is mixed into each
WORD, UPPER, LOWER = 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF  # 32 bits, the top one, the 31 below it

class Random:
    """A generator of its own; Random(x) is seeded with x."""
    def __init__(self, x=None):
        self.seed(x)

    def seed(self, a=None):
        """Starts the sequence of the int a, without its sign, or for None a random one. Raises
        TypeError for other types: what CPython makes of them depends on its version."""
        a = int.from_bytes(os.urandom(4 * N), "little") if a is None else a
        if not isinstance(a, int):
            raise TypeError(f"a seed must be an int or None, not {type(a).__name__}")
        key = [(abs(a) >> shift) & WORD for shift in range(0, max(1, a.bit_length()), 32)]
        mt = [19650218]
        for i in range(1, N):
            mt.append((1812433253 * (mt[-1] ^ (mt[-1] >> 30)) + i) & WORD)
        last, i = mt[0], 0  # the word written last; i runs from 1 to N - 1, again and again
        for n in range(max(N, len(key))):  # mix in the key
            i, j = i % (N - 1) + 1, n % len(key)
            last = mt[i] = ((mt[i] ^ (1664525 * (last ^ (last >> 30)))) + key[j] + j) & WORD
        for _ in range(N - 1):  # and mix once more
            i = i % (N - 1) + 1
            last = mt[i] = ((mt[i] ^ (1566083941 * (last ^ (last >> 30)))) - i) & WORD
        mt[0] = UPPER  # a state of zeros alone would stay so
        self._mt, self._used, self._gauss_next = mt, N, None  # gauss() keeps every second deviate

    def _word(self):
        """The next 32 random bits."""
        mt = self._mt
        if self._used == N:  # twist: make the next N words of state
            for i in range(N):
                y = (mt[i] & UPPER) | (mt[(i + 1) % N] & LOWER)
                mt[i] = mt[(i + M) % N] ^ (y >> 1) ^ (0x9908B0DF if y & 1 else 0)
            self._used = 0
        y = mt[self._used]
        self._used += 1
        y ^= y >> 11  # temper: spread the bits of the word
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
            z, self._gauss_next = math.cos(angle) * radius, math.sin(angle) * radius
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
        total, last = cum_weights[-1], len(population) - 1
        if not 0 < total < math.inf:
            raise ValueError("the total of weights must be greater than zero and finite")
        return [population[bisect(cum_weights, self.random() * total, 0, last)] for _ in range(k)]

_inst = Random()
seed, random, getrandbits = _inst.seed, _inst.random, _inst.getrandbits
gauss, shuffle, choices = _inst.gauss, _inst.shuffle, _inst.choices
