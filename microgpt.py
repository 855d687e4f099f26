"""A whole GPT in plain Python: it reads the lines of a text file, and learns to write new ones.

Nothing is hidden in a library. Large models have more of everything and compute it faster, but the
ideas are these. Read the file from top to bottom, up to run(), which puts it all together. Comments
give shapes: (n,) is a list of n numbers, and (r, c) is a list of r rows with c numbers each.

A port of microgpt.js by Xenova, itself a port of microgpt.py by Andrej Karpathy.
"""

import math
from dataclasses import dataclass, fields

import random_compat as random  # read it as `import random`: the same in every version

# ---- Dataset: one document per line --------------------------------------------------------------


def load_docs(path):
    """The lines of a text file, stripped, without the blank ones."""
    with open(path, encoding="utf-8-sig") as file:
        return [line.strip() for line in file if line.strip()]


# ---- Tokenizer: text to numbers and back ---------------------------------------------------------


class Tokenizer:
    """Gives each character of docs a number, its token id: a label, not an amount."""

    def __init__(self, docs):
        self.uchars = sorted(set("".join(docs)))  # unique characters: token ids 0 to n - 1
        self.char_to_id = {ch: i for i, ch in enumerate(self.uchars)}
        self.bos = len(self.uchars)  # beginning of sequence; after a doc it marks the end
        self.vocab_size = len(self.uchars) + 1

    def encode(self, doc):
        """The token ids of doc, between two bos. Raises KeyError for an unknown character."""
        return [self.bos] + [self.char_to_id[ch] for ch in doc] + [self.bos]

    def decode(self, tokens):
        return "".join(self.uchars[token_id] for token_id in tokens if token_id != self.bos)


# ---- Autograd: the chain rule through a graph of numbers -----------------------------------------


class Value:
    """A number that remembers what it was computed from, and its slope for each of those."""

    __slots__ = ("data", "grad", "children", "local_grads")

    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0.0  # d(loss)/d(self), once loss.backward() has run
        self.children = children  # what it was computed from; a leaf, such as a weight, has none
        self.local_grads = local_grads  # the slope for each of them: d(self)/d(child)

    # Operations, each with its derivatives. A plain number is a constant, and gets no gradient.

    def __add__(self, other):
        if isinstance(other, Value):
            return Value(self.data + other.data, (self, other), (1.0, 1.0))
        return Value(self.data + other, (self,), (1.0,))

    def __mul__(self, other):
        if isinstance(other, Value):
            return Value(self.data * other.data, (self, other), (other.data, self.data))
        return Value(self.data * other, (self,), (other,))

    def __truediv__(self, other):
        if isinstance(other, Value):
            quotient = self.data / other.data
            return Value(quotient, (self, other), (1 / other.data, -quotient / other.data))
        return Value(self.data / other, (self,), (1 / other,))

    def __pow__(self, exponent):  # exponent is a plain number
        slope = exponent * math.pow(self.data, exponent - 1) if exponent else 0.0
        return Value(math.pow(self.data, exponent), (self,), (slope,))

    def log(self):
        if self.data == 0:  # the limit: math.log(0) would raise an error
            return Value(-math.inf, (self,), (math.inf,))
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def exp(self):
        return Value(math.exp(self.data), (self,), (math.exp(self.data),))

    def relu(self):
        if self.data <= 0:
            return Value(0.0)  # a constant: the slope is 0, and nothing flows back
        return Value(self.data, (self,), (1.0,))

    # Operations that follow from these (for 2 - x, Python calls x.__rsub__(2)), and __repr__.

    # fmt: off
    def __radd__(self, other): return self + other
    def __rmul__(self, other): return self * other
    def __neg__(self): return self * -1.0
    def __sub__(self, other): return self + -other
    def __rsub__(self, other): return -self + other
    def __rtruediv__(self, other): return Value(other) / self
    def __repr__(self): return f"Value(data={self.data}, grad={self.grad})"
    # fmt: on

    def backward(self):
        """Computes grad = d(self)/d(node) for each node it depends on. In leaves, grads add up."""
        # 1) Forget old gradients, and list the inner nodes, each after its children.
        order = []
        stack = [(self, False)] if self.children else []  # not recursion: its depth has a limit
        while stack:
            node, children_listed = stack.pop()
            if children_listed:
                order.append(node)
            elif node.grad is not None:  # an old gradient: this node has not been visited yet
                node.grad = None
                stack.append((node, True))  # comes up again when its children are listed
                for child in node.children:
                    if child.children and child.grad is not None:
                        stack.append((child, False))

        # 2) Start new gradients at 0. Those of leaves, such as weights, add up over the calls.
        for node in order:
            node.grad = 0.0

        # 3) Pass gradients on to children, self first. At a node's turn, its own is complete.
        self.grad += 1.0  # d(self)/d(self)
        for node in reversed(order):
            for child, local_grad in zip(node.children, node.local_grads):
                child.grad += local_grad * node.grad  # the chain rule, summed over all paths


def dot(a, b):
    """The dot product of a (n,) and b (n,) as one node, for speed: * and + make about 2n nodes."""
    if len(a) != len(b):
        raise ValueError(f"dot product of {len(a)} and {len(b)} numbers")
    a_data, b_data = [x.data for x in a], [x.data for x in b]
    total = 0.0
    for x, y in zip(a_data, b_data):  # no sum(): its rounding depends on Python's version
        total += x * y
    return Value(total, [*a, *b], [*b_data, *a_data])  # d(total)/da is b, d(total)/db is a


# ---- Settings ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """All that can be chosen, as in Config(n_layer=2). Raises ValueError for impossible values."""

    n_embd: int = 16  # embedding dimension: how many numbers stand for a token
    n_head: int = 4  # number of attention heads; must divide n_embd
    n_layer: int = 1  # number of layers
    block_size: int = 16  # how many tokens are read; longer documents are cut off
    init_std: float = 0.08  # standard deviation of the initial weights
    learning_rate: float = 0.01  # of the first step; decays linearly to 0
    beta1: float = 0.85  # Adam: how much of the mean gradient is kept in each step
    beta2: float = 0.99  # Adam: how much of the mean square is kept in each step
    eps_adam: float = 1e-8  # Adam: keeps the divisor above 0
    num_steps: int = 1000  # number of training steps, one document each
    temperature: float = 0.5  # low: predictable samples; high: varied ones
    num_samples: int = 20  # number of samples to draw after training
    seed: int = 42  # of the random numbers
    prompt: str = ""  # text that each sample begins with

    def __post_init__(self):
        check_settings(self)  # in the last chapter


# ---- Parameters: what the model knows, random at first -------------------------------------------


def init_state_dict(config, vocab_size):
    """The weights: matrices by name, drawn from a normal distribution around 0."""
    n_embd, std = config.n_embd, config.init_std

    def matrix(nout, nin):
        return [[Value(random.gauss(0, std)) for _ in range(nin)] for _ in range(nout)]

    state_dict = {"wte": matrix(vocab_size, n_embd)}  # token embeddings: a row per token
    state_dict["wpe"] = matrix(config.block_size, n_embd)  # position embeddings: one per position
    state_dict["lm_head"] = matrix(vocab_size, n_embd)  # language model head; GPT-2 reuses wte here
    for li in range(config.n_layer):
        state_dict[f"layer{li}.attn_wq"] = matrix(n_embd, n_embd)  # query
        state_dict[f"layer{li}.attn_wk"] = matrix(n_embd, n_embd)  # key
        state_dict[f"layer{li}.attn_wv"] = matrix(n_embd, n_embd)  # value
        state_dict[f"layer{li}.attn_wo"] = matrix(n_embd, n_embd)  # output
        state_dict[f"layer{li}.mlp_fc1"] = matrix(4 * n_embd, n_embd)  # fully connected: wider
        state_dict[f"layer{li}.mlp_fc2"] = matrix(n_embd, 4 * n_embd)  # and back
    return state_dict


# ---- Model: GPT-2 (Radford et al., 2019), simplified ---------------------------------------------
# RMSNorm for LayerNorm, one more after the embeddings, none at the end; ReLU for GELU; no biases.


def linear(x, w):
    """The matrix w (nout, nin) times the vector x (nin,): a vector (nout,)."""
    return [dot(row, x) for row in w]


def add(a, b):
    """The sum of the vectors a (n,) and b (n,)."""
    if len(a) != len(b):
        raise ValueError(f"sum of {len(a)} and {len(b)} numbers")
    return [x + y for x, y in zip(a, b)]


def softmax(logits):
    """Turns scores (n,) into probabilities (n,): at least 0, adding up to 1."""
    # Subtracting the largest changes no probability, but keeps exp from overflowing.
    max_val = max(logit.data for logit in logits)
    exps = [(logit - max_val).exp() for logit in logits]
    total = sum(exps)
    return [e / total for e in exps]


def rmsnorm(x):
    """Keeps x (n,) at one size: its squares get a mean of about 1 (Zhang and Sennrich, 2019)."""
    mean_square = dot(x, x) / len(x)
    scale = (mean_square + 1e-5) ** -0.5  # 1e-5: never a division by 0
    return [xi * scale for xi in x]


def attention(x, li, keys, values, state_dict, config):
    """Looks back: returns (n_embd,), a mixture of the values of the tokens so far.

    Appends to keys and values. No mask is needed, since the future has not been read yet."""
    q = linear(x, state_dict[f"layer{li}.attn_wq"])  # query: what this token looks for
    k = linear(x, state_dict[f"layer{li}.attn_wk"])  # key: what it can be found by
    v = linear(x, state_dict[f"layer{li}.attn_wv"])  # value: what it passes on when attended to
    keys.append(k)  # a vector (n_embd,) for each token so far
    values.append(v)
    head_dim = config.n_embd // config.n_head
    x_attn = []
    for h in range(config.n_head):  # several heads, since each can look for something else
        head = slice(h * head_dim, (h + 1) * head_dim)  # this head's part of each vector
        q_h = q[head]  # (head_dim,)
        k_h = [key[head] for key in keys]  # (tokens so far, head_dim)
        v_h = [value[head] for value in values]  # (tokens so far, head_dim)

        # How well does each key fit the query? Wide heads have larger dot products, and softmax
        # would give nearly everything to the largest: the root undoes that.
        attn_logits = [dot(q_h, key) / head_dim**0.5 for key in k_h]
        attn_weights = softmax(attn_logits)  # (tokens so far,): weights for a mean of the values
        x_attn += [dot(attn_weights, [value[j] for value in v_h]) for j in range(head_dim)]
    return linear(x_attn, state_dict[f"layer{li}.attn_wo"])  # mixes what the heads have found


def mlp(x, li, state_dict):
    """Multilayer perceptron: works on one token by itself, x (n_embd,), and returns (n_embd,)."""
    x = linear(x, state_dict[f"layer{li}.mlp_fc1"])  # (4 * n_embd,)
    x = [xi.relu() for xi in x]  # without it, the two matrices could be one
    return linear(x, state_dict[f"layer{li}.mlp_fc2"])


def gpt(token_id, pos_id, keys, values, state_dict, config):
    """Reads the token at pos_id and returns logits (vocab_size,): scores for the next one.

    keys[li] and values[li] remember the tokens so far. Gradients flow back through both."""
    tok_emb = state_dict["wte"][token_id]  # (n_embd,): which token it is
    pos_emb = state_dict["wpe"][pos_id]  # (n_embd,): where it stands
    x = rmsnorm(add(tok_emb, pos_emb))  # (n_embd,), mean square about 1; the layers add to it
    for li in range(config.n_layer):  # attention and mlp add to x: residual connections
        x = add(x, attention(rmsnorm(x), li, keys[li], values[li], state_dict, config))
        x = add(x, mlp(rmsnorm(x), li, state_dict))
    return linear(x, state_dict["lm_head"])


# ---- Training: a loss, and Adam, which lowers it -------------------------------------------------


def document_loss(tokens, state_dict, config):
    """The mean of -log(probability of the next token) over the first block_size tokens."""
    keys, values = [[] for _ in range(config.n_layer)], [[] for _ in range(config.n_layer)]
    losses = []
    for pos_id in range(min(config.block_size, len(tokens) - 1)):
        token_id, target_id = tokens[pos_id], tokens[pos_id + 1]
        logits = gpt(token_id, pos_id, keys, values, state_dict, config)
        probs = softmax(logits)
        losses.append(-probs[target_id].log())  # 0 for a probability of 1, log(27) = 3.3 for 1/27
    return sum(losses) / len(losses)


def train(docs, tokenizer, state_dict, config):
    """Yields (step, loss) after each step of training: without a loop over it, nothing happens.

    Changes the weights in place. Raises FloatingPointError if the loss is inf or nan."""
    params = [p for matrix in state_dict.values() for row in matrix for p in row]
    m_buf = [0.0] * len(params)  # Adam's memory: a running mean of each gradient
    v_buf = [0.0] * len(params)  # and a running mean of its square
    beta1, beta2, eps_adam = config.beta1, config.beta2, config.eps_adam
    for step in range(config.num_steps):
        loss = document_loss(tokenizer.encode(docs[step % len(docs)]), state_dict, config)
        if not math.isfinite(loss.data):
            raise FloatingPointError(f"loss is {loss.data} at step {step + 1}")
        for p in params:
            p.grad = 0.0  # backward adds to it
        loss.backward()

        # Adam (Kingma and Ba, 2014) walks downhill: it moves each weight against its mean gradient.
        # It divides by the gradient's usual size, the root of its mean square, so that weights with
        # small gradients move, too. Both means begin at 0: the corrections make up for that.
        lr_t = config.learning_rate * (1 - step / config.num_steps)  # linear decay
        correction1, correction2 = 1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)
        for i, p in enumerate(params):
            g = p.grad
            m_buf[i] = beta1 * m_buf[i] + (1 - beta1) * g
            v_buf[i] = beta2 * v_buf[i] + (1 - beta2) * g * g
            m_hat = m_buf[i] / correction1
            v_hat = v_buf[i] / correction2
            p.data -= lr_t * m_hat / (math.sqrt(v_hat) + eps_adam)
        yield step + 1, loss.data


# ---- Sampling: may the model babble back to us ---------------------------------------------------


def sample(tokenizer, state_dict, config):
    """A new document: the prompt, continued token by token until bos or block_size."""
    keys, values = [[] for _ in range(config.n_layer)], [[] for _ in range(config.n_layer)]
    tokens = tokenizer.encode(config.prompt)[:-1]  # bos and the prompt
    for pos_id, token_id in enumerate(tokens[:-1]):  # read the prompt, but for its last token
        gpt(token_id, pos_id, keys, values, state_dict, config)

    for pos_id in range(len(tokens) - 1, config.block_size):  # read one token, draw the next
        logits = gpt(tokens[-1], pos_id, keys, values, state_dict, config)
        probs = [p.data for p in softmax([logit / config.temperature for logit in logits])]
        if math.isnan(probs[0]):  # then all are: nan spreads through the total
            raise FloatingPointError("the probabilities of the next token are nan")
        token_id = random.choices(range(tokenizer.vocab_size), probs)[0]
        if token_id == tokenizer.bos:
            break
        tokens.append(token_id)
    return tokenizer.decode(tokens)


def run(docs, config):
    """The whole: trains on docs, draws samples, and prints both."""
    docs = list(docs)  # a copy: the caller's keeps its order
    if not docs:
        raise ValueError("there are no documents to learn from")
    random.seed(config.seed)  # let there be order among chaos: the same seed, the same run
    random.shuffle(docs)
    tokenizer = Tokenizer(docs)
    tokenizer.encode(config.prompt)  # an unknown character ends it here, not after training
    state_dict = init_state_dict(config, tokenizer.vocab_size)
    num_params = sum(len(row) for matrix in state_dict.values() for row in matrix)
    print(f"num docs: {len(docs)}")
    print(f"vocab size: {tokenizer.vocab_size}")
    print(f"num params: {num_params}", flush=True)
    for step, loss in train(docs, tokenizer, state_dict, config):
        print(f"step {step:4d} / {config.num_steps:4d} | loss {loss:.4f}", end="\r", flush=True)
    print("\n--- inference (new, hallucinated names) ---", flush=True)
    for i in range(config.num_samples):
        print(f"sample {i + 1:2d}: {sample(tokenizer, state_dict, config)}", flush=True)


# ---- Command: python microgpt.py [input] [--n-layer 2] ... ---------------------------------------
# The rest is about settings and terminals, not about GPTs.


def settings_table(c):
    """For each setting of the Config c: what it is, and whether it can be computed with."""
    divides = c.n_head >= 1 and c.n_embd % c.n_head == 0
    return {
        "n_embd": ("embedding dimension, at least 1", c.n_embd >= 1),
        "n_head": (f"number of attention heads; must divide n_embd ({c.n_embd})", divides),
        "n_layer": ("number of layers, at least 0", c.n_layer >= 0),
        "block_size": ("how many tokens are read at most, at least 1", c.block_size >= 1),
        "init_std": ("deviation of the initial weights, 0 to 1e308", 0 <= c.init_std <= 1e308),
        "learning_rate": ("rate of the first step, 0 to 1e308", 0 <= c.learning_rate <= 1e308),
        "beta1": ("Adam: share of the mean gradient kept, 0 to below 1", 0 <= c.beta1 < 1),
        "beta2": ("Adam: share of the mean square kept, 0 to below 1", 0 <= c.beta2 < 1),
        "eps_adam": ("Adam: keeps the divisor above 0, up to 1e308", 0 < c.eps_adam <= 1e308),
        "num_steps": ("number of training steps, at least 0", c.num_steps >= 0),
        "temperature": ("1e-300 to 1e308; high: varied", 1e-300 <= c.temperature <= 1e308),
        "num_samples": ("number of samples after training, at least 0", c.num_samples >= 0),
        "seed": ("seed of the random numbers", True),
        "prompt": (f"a start for samples, below {c.block_size} long", len(c.prompt) < c.block_size),
    }


def check_settings(config):
    """Raises ValueError for the first setting that can't be computed with."""
    for name, (about, holds) in settings_table(config).items():
        if not holds:
            raise ValueError(f"{name} can't be {getattr(config, name)!r}: {about}")


def main(argv=None):
    """The command line; argv is sys.argv[1:] by default. Raises SystemExit for a user's error."""
    import argparse

    usage = "microgpt [-h] [input] [--n-layer 2] ... (--help lists all flags)"
    parser = argparse.ArgumentParser(prog="microgpt", usage=usage)
    parser.add_argument("input", nargs="?", default="input.txt", help="text, one document per line")
    for f in fields(Config):
        about = f"{settings_table(Config()).get(f.name, [''])[0]} (default: {f.default!r})"
        flag = "--" + f.name.replace("_", "-")
        parser.add_argument(flag, type=type(f.default), metavar="X", default=f.default, help=about)
    settings = vars(parser.parse_args(argv))
    path = settings.pop("input")
    try:
        config = Config(**settings)
        docs = load_docs(path)
        if not docs:
            parser.error(f"{path} has no documents: write at least one, one per line")
        Tokenizer(docs).encode(config.prompt)
    except OSError as error:
        parser.error(f"{error}; name a text file, as in: python microgpt.py names.txt")
    except UnicodeError as error:
        parser.error(f"cannot read {path}: {error}; save it as UTF-8")
    except ValueError as error:
        parser.error(str(error))
    except KeyError as error:
        parser.error(f"prompt has {error}, a character that is in no document")
    try:
        run(docs, config)
    except FloatingPointError as error:
        parser.exit(1, f"microgpt: error: {error}; try a lower --learning-rate or --init-std\n")


def cli():
    """main() as a process of its own: signals, stdout and memory are set up for it."""
    import gc
    import signal
    import sys

    # Ctrl-C kills the process, so that a shell's loop ends with it, unless SIGINT was ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "SIGPIPE"):  # `| head` ends this without a word (Windows has no SIGPIPE)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    if sys.implementation.name == "cpython":
        gc.disable()  # a fifth faster; graphs have no cycles, so they are freed without it
    main()


if __name__ == "__main__":
    cli()
