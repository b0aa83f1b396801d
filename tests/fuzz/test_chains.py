"""Random chains on random trees: what is wrong is said by us, what is taken works."""

import contextlib
import time
import traceback

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

import regopt_jax as ro
from tests.fuzz import draws


class Refused(Exception):  # noqa: N818  an answer, not an error
    """It was refused by a line of ours, in words of ours."""


@contextlib.contextmanager
def refusals(*names):
    """Errors of ours that say one of the names are answers; those of what we called stay errors."""
    try:
        yield
    except (TypeError, ValueError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        ours = "/regopt_jax/" in last.filename
        if ours and (not names or any(name in str(error) for name in names)):
            raise Refused from error
        raise


def built(parts, wrapper):
    made = []
    for row, wrong in parts:
        with refusals(*wrong):
            made.append(draws.BLOCKS[row].ours(**wrong))
    with refusals():
        tx = ro.chain(*made) if len(made) > 1 else made[0]
        return tx if wrapper is None else draws.WRAPPERS[wrapper](tx)


def types(tree):
    leaves = jax.tree.leaves(tree)
    return jax.tree.structure(tree), [(jnp.shape(x), jnp.result_type(x)) for x in leaves]


def two_steps(tx, params, grads, compiled):
    """The updates and states of two steps."""
    state, seen = tx.init(params), []
    update = jax.jit(tx.update) if compiled else tx.update
    for _ in range(2):
        updates, new = update(grads, state, params)
        assert types(new) == types(state), "the state changed its types"
        seen.append(updates)
        state = new
    return seen, state


def check(parts, wrapper, trees):
    params, grads = trees
    tx = built(parts, wrapper)
    assert tx == tx.made.again()
    assert hash(tx) == hash(tx.made.again())
    repr(tx)
    with refusals():
        eager, state = two_steps(tx, params, grads, compiled=False)
    str(ro.describe(tx, params))
    ro.hyperparams(tx, state)
    compiled, other = two_steps(tx, params, grads, compiled=True)
    assert types((eager, state)) == types((compiled, other))
    for u, g in zip(jax.tree.leaves(eager[0]), jax.tree.leaves(grads), strict=True):
        assert jnp.shape(u) == jnp.shape(g)
    for a, b in zip(jax.tree.leaves(eager), jax.tree.leaves(compiled), strict=True):
        same = np.isfinite(np.asarray(a, np.float32)) == np.isfinite(np.asarray(b, np.float32))
        assert np.all(same), f"eager {a}, compiled {b}"


EXAMPLE = st.tuples(
    st.lists(draws.calls(), min_size=1, max_size=3),
    st.sampled_from([None, None, *draws.WRAPPERS]),
    draws.trees(),
)


@pytest.mark.fuzz
def test_random_chains(request):
    minutes, given = (request.config.getoption(f"--fuzz-{x}") for x in ("minutes", "seed"))
    end = time.monotonic() + 60 * minutes
    seed = given if given is not None else time.time_ns() % 2**32
    examples = 0
    while time.monotonic() < end:

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=25, deadline=None, database=None, print_blob=False,
            suppress_health_check=list(hypothesis.HealthCheck),
        )  # fmt: skip
        @hypothesis.given(EXAMPLE)
        def one_round(example):
            nonlocal examples
            examples += 1
            with contextlib.suppress(Refused):
                check(*example)

        try:
            one_round()
        except BaseException:
            print(f"\nfound with --fuzz-seed {seed}")
            raise
        if given is not None:
            break
        seed += 1
        jax.clear_caches()
    print(f"\n{examples} examples, the last of --fuzz-seed {seed}")
