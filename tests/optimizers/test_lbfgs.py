"""L-BFGS and its line searches on functions whose minima are known, and where Optax's fail."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import minimize

import regopt_jax as ro
from regopt_jax import optax as face


def rosenbrock(x):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def beale(x):
    a, b = x
    return (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2


def quadratic(x):
    return jnp.sum(jnp.logspace(0, 4, x.size, dtype=x.dtype) * (x - 1) ** 2) / 2


def booth(x):
    return (x[0] + 2 * x[1] - 7) ** 2 + (2 * x[0] + x[1] - 5) ** 2


PROBLEMS = {
    "rosenbrock": (rosenbrock, [-1.2, 1.0, -0.5, 0.8, 1.2]),
    "beale": (beale, [1.0, 0.5]),
    "quadratic": (quadratic, [3.0, -2.0, 5.0, 0.5, -1.0]),
    "booth": (booth, [-4.0, 6.0]),
}
SEARCHES = {
    "zoom": lambda o: o.lbfgs(),
    "backtracking": lambda o: o.lbfgs(linesearch=o.scale_by_backtracking_linesearch(30)),
}


def run(tx, loss, start, steps):
    """The parameters and states of some steps, with what the search has of the next gradient."""

    def one(carry, _):
        w, state = carry
        value, grad = jax.value_and_grad(loss)(w)
        u, state = tx.update(grad, state, w, value=value, grad=grad, value_fn=loss)
        w = optax.apply_updates(w, u)
        return (w, state), (w, state)

    go = jax.jit(lambda w: jax.lax.scan(one, (w, tx.init(w)), None, length=steps)[1])
    return go(start)


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("name", PROBLEMS)
def test_it_reaches_scipys_minimum(name, search):
    loss, start = PROBLEMS[name]
    with jax.enable_x64(True):
        start = jnp.array(start, jnp.float64)
        w, _ = run(SEARCHES[search](ro), loss, start, 120)
        theirs = minimize(
            jax.value_and_grad(loss), start, jac=True, method="L-BFGS-B",
            options={"ftol": 1e-15, "gtol": 1e-10},
        )  # fmt: skip
        np.testing.assert_allclose(w[-1], theirs.x, rtol=1e-6, atol=1e-6)
        assert loss(w[-1]) <= theirs.fun + 1e-10


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("name", PROBLEMS)
def test_its_steps_are_optaxs(name, search):
    """To what an ill-conditioned valley makes of one rounding."""
    loss, start = PROBLEMS[name]
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        start = jnp.array(start, jnp.float64)
        few = 6
        mine, theirs = (run(SEARCHES[search](o), loss, start, few) for o in (face, optax))
        assert jax.tree.structure(mine) == jax.tree.structure(theirs)
        for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("o", [ro, face], ids=["ours", "face"])
@pytest.mark.parametrize("search", SEARCHES)
def test_float32_parameters_run_under_x64_in_a_scan(search, o):
    """Optax issue 1210: the carry keeps its dtypes, also of a loss in float64."""
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        start = jnp.array([-4.0, 6.0], jnp.float32)
        for loss in (booth, lambda x: booth(x.astype(jnp.float64))):
            w, _ = run(SEARCHES[search](o), loss, start, 30)
            assert w.dtype == jnp.float32
            np.testing.assert_allclose(w[-1], [1, 3], rtol=1e-4)


@pytest.mark.parametrize("o", [ro, face], ids=["ours", "face"])
def test_a_stored_gradient_of_float32_is_found_under_x64(o):
    """Where Optax's backtracking search fails: its cotangent is a Python number."""
    tx = o.lbfgs(linesearch=o.scale_by_backtracking_linesearch(30, store_grad=True))
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        w = jnp.array([-4.0, 6.0], jnp.float32)
        state = tx.init(w)
        for _ in range(3):
            value, grad = o.value_and_grad_from_state(booth)(w, state=state)
            u, state = tx.update(grad, state, w, value=value, grad=grad, value_fn=booth)
            w = o.apply_updates(w, u)
            np.testing.assert_allclose(o.tree.get(state, "grad"), jax.grad(booth)(w), rtol=1e-4)
            assert all(x.dtype == jnp.float32 for x in (u, w, state[-1].grad))


@pytest.mark.parametrize("o", [ro, face], ids=["ours", "face"])
def test_a_weight_past_float16_makes_no_infinite_step(o):
    """Of nearly equal steps (Optax issue 1203), which Optax makes NaN of."""
    tx, w = o.scale_by_lbfgs(), jnp.zeros(2, jnp.float16)
    state = tx.init(w)
    for t in range(3):
        u, state = tx.update(jnp.full(2, 1 + t / 1024, jnp.float16), state, w + t / 1024)
        assert np.all(np.isfinite(state.weights_memory))
        np.testing.assert_allclose(u, 1.0, rtol=0.35)
        assert u.dtype == jnp.float16


def test_a_pair_of_negative_curvature_is_left_out():
    """So the direction stays one of ascent; the scale is that of the newest pair that counts."""
    tx, H = ro.scale_by_lbfgs(), jnp.array([2.0, 4.0])
    w = jnp.array([3.0, 1.0])
    _, state = tx.update(H * w, tx.init(w), w)
    w = jnp.array([2.0, 1.0])
    _, state = tx.update(H * w, state, w)
    g = -5 * jnp.array([1.0, 1.0])
    u, state = tx.update(g, state, w + 1)
    assert state.weights_memory[:3].tolist() == [0.5, 0.0, 0.0]
    assert u.tolist() == [-2.5, -2.5]
    assert jnp.vdot(u, g) > 0


def test_the_state_has_what_the_next_step_needs():
    """``value_and_grad_from_state`` finds the loss and the gradient at the new parameters."""
    tx, w = ro.lbfgs(), jnp.array([-4.0, 6.0])
    state = tx.init(w)
    again = ro.value_and_grad_from_state(booth)
    for _ in range(4):
        value, grad = again(w, state=state)
        np.testing.assert_allclose(value, booth(w), rtol=1e-6)
        np.testing.assert_allclose(grad, jax.grad(booth)(w), rtol=1e-5, atol=1e-5)
        u, state = tx.update(grad, state, w, value=value, grad=grad, value_fn=booth)
        w = ro.apply_updates(w, u)
    assert ro.tree.get(state, "num_linesearch_steps") >= 1
    assert ro.learning_rate(tx, state) == ro.tree.get(state, "learning_rate")


@pytest.mark.parametrize("search", SEARCHES)
def test_many_starts_at_once(search):
    """Under vmap each search ends for itself."""
    starts = jnp.array([[-4.0, 6.0], [10.0, 0.0], [1.0, 3.0]])
    together, _ = jax.vmap(lambda w: run(SEARCHES[search](ro), booth, w, 20))(starts)
    alone = [run(SEARCHES[search](ro), booth, w, 20)[0] for w in starts]
    np.testing.assert_allclose(together[:, -1], jnp.stack(alone)[:, -1], rtol=1e-4)


@pytest.mark.parametrize("search", SEARCHES)
def test_a_complex_number_steps_as_its_parts_do(search):
    A = jnp.array([[1, -2], [3, 4], [-4 + 2j, 5 - 3j]])

    def loss(z):
        return jnp.sum(jnp.abs(A @ z - jnp.array([1.0, 2j, 3.0])) ** 2)

    def of_parts(x):
        return loss(jax.lax.complex(x[0], x[1]))

    tx, z, x = SEARCHES[search](ro), jnp.array([1 - 1j, 1j]), jnp.array([[1.0, 0], [-1, 1]])
    states = tx.init(z), tx.init(x)
    for _ in range(8):
        value, grad = jax.value_and_grad(loss)(z)
        grad = grad.conj()
        u, complex_state = tx.update(grad, states[0], z, value=value, grad=grad, value_fn=loss)
        value, grad = jax.value_and_grad(of_parts)(x)
        v, state = tx.update(grad, states[1], x, value=value, grad=grad, value_fn=of_parts)
        z, x, states = z + u, x + v, (complex_state, state)
        np.testing.assert_allclose(z, jax.lax.complex(x[0], x[1]), rtol=1e-3, atol=1e-4)


MAKERS = {
    "backtracking": lambda: ro.scale_by_backtracking_linesearch(5),
    "zoom": lambda: ro.scale_by_zoom_linesearch(5),
}


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_missing_or_unknown_is_said(name):
    tx, w = MAKERS[name](), jnp.ones(2)
    given = {"value": booth(w), "grad": w, "value_fn": booth}
    for missing in given:
        rest = {key: x for key, x in given.items() if key != missing}
        with pytest.raises(TypeError, match="the loss is needed"):
            tx.update(-w, tx.init(w), w, **rest)
    with pytest.raises(TypeError, match=r"Unexpected keyword arguments \['batch'\]"):
        tx.update(-w, tx.init(w), w, **given, batch=1)


@pytest.mark.parametrize("name", MAKERS)
def test_other_arguments_go_to_the_loss(name):
    tx, w = MAKERS[name](), jnp.array([1.0, 2.0])
    _, state = tx.update(
        -w, tx.init(w), w, value=2.5, grad=w, value_fn=lambda w, c, d: c * d * jnp.sum(w**2),
        c=0.25, d=2.0,
    )  # fmt: skip
    assert state.value < 2.5


@pytest.mark.parametrize("name", MAKERS)
def test_where_no_loss_is_finite_the_step_is_zero_and_the_next_starts_anew(name):
    tx, w = MAKERS[name](), jnp.array([1.0, 2.0])
    u, state = tx.update(-w, tx.init(w), w, value=2.5, grad=w, value_fn=lambda w: jnp.inf * w[0])
    assert u.tolist() == [0, 0]
    u, state = tx.update(-w, state, w, value=2.5, grad=w, value_fn=lambda w: jnp.sum(w**2) / 2)
    np.testing.assert_allclose(u, -w)
    assert state.value == 0
