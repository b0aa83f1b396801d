import pytest

import regopt_jax as ro


@pytest.mark.parametrize(("steps", "warmup"), [(1, 0.9), (2, 0.75), (10, 0.95)])
def test_a_warmup_that_leaves_no_step_is_refused_by_name(steps, warmup):
    with pytest.raises(ValueError, match=r"warmup_fraction must be in \(0, 0\.\d+\), got"):
        ro.recommended(steps, warmup_fraction=warmup)


def test_a_run_of_one_step_has_no_warmup():
    rate = ro.recommended(1, peak=0.25).parts[1].parts[-1].hyperparams["learning_rate"]
    assert float(rate(0)) == 0.25
