"""The lasso, the elastic net and L1 logistic regression, against scikit-learn's solvers."""

import functools
import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro

datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
linear_model = pytest.importorskip("sklearn.linear_model")


class Problem(NamedTuple):
    features: np.ndarray
    targets: np.ndarray
    logistic: bool
    l1_ratio: float

    def loss(self, w):
        fitted = jnp.asarray(self.features) @ w
        if self.logistic:
            return jnp.mean(jax.nn.softplus(-self.targets * fitted))
        return jnp.mean((self.targets - fitted) ** 2) / 2

    def regularizer(self, strength):
        if self.l1_ratio == 1:
            return ro.l1(strength)
        return ro.elastic_net(self.l1_ratio * strength, (1 - self.l1_ratio) * strength)

    def strengths(self):
        pull = np.abs(jax.grad(self.loss)(jnp.zeros(self.features.shape[1])))
        largest = pull.max() / self.l1_ratio
        return np.geomspace(largest * 0.99, largest * 0.02, 20)

    def reference(self, strength):
        n = len(self.targets)
        if self.logistic:
            model = linear_model.LogisticRegression(
                l1_ratio=1.0,
                C=1 / (n * strength),
                solver="liblinear",
                fit_intercept=False,
                tol=1e-12,
                max_iter=100_000,
            )
        else:
            model = linear_model.ElasticNet(
                alpha=strength,
                l1_ratio=self.l1_ratio,
                fit_intercept=False,
                tol=1e-14,
                max_iter=1_000_000,
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.ravel(model.fit(self.features, self.targets).coef_)


def standardized(features):
    features = features[:, features.std(axis=0) > 0]
    return (features - features.mean(axis=0)) / features.std(axis=0)


def problem(name):
    if name.startswith("diabetes"):
        data = datasets.load_diabetes()
        targets = (data.target - data.target.mean()) / data.target.std()
        ratio = 0.5 if "elastic" in name else 1.0
        return Problem(standardized(data.data), targets, logistic=False, l1_ratio=ratio)
    if name.startswith("breast cancer"):
        data = datasets.load_breast_cancer()
        features, signs = standardized(data.data), 2.0 * data.target - 1
        if "logistic" in name:
            return Problem(features, signs, logistic=True, l1_ratio=1.0)
        return Problem(features, signs - signs.mean(), logistic=False, l1_ratio=0.7)
    data = datasets.load_digits()
    pair = (data.target == 3) | (data.target == 8)
    features, signs = standardized(data.data[pair]), np.where(data.target[pair] == 3, 1.0, -1.0)
    logistic = "logistic" in name
    return Problem(features, signs if logistic else signs - signs.mean(), logistic, 1.0)


NAMES = [
    "diabetes lasso",
    "diabetes elastic net",
    "breast cancer elastic net",
    "breast cancer logistic",
    "digits lasso",
    "digits logistic",
]


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@functools.cache
def references(name):
    p = problem(name)
    return np.stack([p.reference(strength) for strength in p.strengths()])


def assert_matches(name, coefficients, tolerance):
    expected = references(name)
    np.testing.assert_allclose(coefficients, expected, rtol=0, atol=tolerance)
    # Coefficients below the solvers' own accuracy belong to neither support.
    clear = np.abs(expected) > 10 * tolerance
    assert np.all(np.asarray(coefficients)[clear] != 0)
    assert np.all(np.abs(np.asarray(coefficients)[expected == 0]) <= tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_fista_along_a_path(name):
    p = problem(name)

    def fit(regularizer, start):
        return ro.fista(p.loss, regularizer, start, tol=1e-11, max_iter=20_000).params

    start = jnp.zeros(p.features.shape[1])
    solve = jax.jit(lambda s: ro.regularization_path(fit, p.regularizer(1.0), s, start))
    coefficients = solve(p.strengths())
    assert_matches(name, coefficients, 1e-6)
    support = np.asarray(coefficients) != 0
    np.testing.assert_array_equal(support, references(name) != 0)
    gaps = [
        ro.optimality(p.regularizer(s), w, jax.grad(p.loss)(w))
        for s, w in zip(p.strengths(), coefficients, strict=True)
    ]
    assert max(map(float, gaps)) < 1e-10


def descend(p, make, steps):
    """All strengths side by side, ``steps`` steps of proximal(make(), R)."""

    def run(strength):
        tx = ro.proximal(make(), p.regularizer(strength))

        def step(carry, _):
            w, state = carry
            updates, state = tx.update(jax.grad(p.loss)(w), state, w)
            return (ro.apply_updates(w, updates), state), None

        w = jnp.zeros(p.features.shape[1])
        return jax.lax.scan(step, (w, tx.init(w)), None, length=steps)[0][0]

    return jax.jit(jax.vmap(run))(p.strengths())


@pytest.mark.parametrize("name", ["diabetes lasso", "breast cancer elastic net", "digits logistic"])
def test_proximal_sgd(name):
    p = problem(name)
    curvature = np.linalg.eigvalsh(p.features.T @ p.features / len(p.targets)).max()
    rate = (4 if p.logistic else 1) / curvature
    coefficients = descend(p, lambda: ro.sgd(rate, momentum=0.95), 12_000)
    assert_matches(name, coefficients, 1e-6)


@pytest.mark.parametrize("name", ["diabetes lasso", "diabetes elastic net"])
def test_proximal_adam(name):
    p = problem(name)
    schedule = ro.cosine_decay_schedule(3e-2, 12_000)
    coefficients = descend(p, lambda: ro.adam(schedule, b2=0.99), 12_000)
    assert_matches(name, coefficients, 1e-4)


def test_vmap_over_strengths_equals_the_path():
    p = problem("diabetes lasso")

    def fit(regularizer, start):
        return ro.fista(p.loss, regularizer, start, tol=1e-11, max_iter=20_000).params

    start = jnp.zeros(p.features.shape[1])
    strengths = jnp.asarray(p.strengths())
    along = ro.regularization_path(fit, ro.l1(1.0), strengths, start)
    apart = jax.vmap(lambda s: fit(s * ro.l1(1.0), start))(strengths)
    np.testing.assert_allclose(along, apart, atol=1e-8)
