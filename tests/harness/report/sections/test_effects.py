"""What the effects say in words."""

from harness.report.sections import effects
from harness.statistics.factors import factors_of


def test_parameters_that_change_together_are_named_and_get_no_claim_of_their_own():
    params = [{"opt": one, "lr": lr} for one, lr in [("adam", 0.1), ("sgd", 0.2)] * 2]
    factors = factors_of(params, {"opt": "opt", "lr": "lr"})
    texts = effects._explanations("accuracy", factors)
    assert [factor.linked for factor in factors] == [("opt", "lr")]
    assert any(text.startswith("opt and lr always change together") for text in texts)
