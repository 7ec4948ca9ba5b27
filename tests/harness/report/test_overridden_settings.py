"""What is said of a run that trained otherwise than its file."""

from dataclasses import replace

from harness.report.sections.published import changed_settings
from tests.harness.report.folders import FILE, Trial, results_of

LIMITED = FILE.replace("{name: digits}", "{name: digits, limit: 160}")


def test_a_limit_is_said_with_the_examples_that_trained(tmp_path):
    (text,) = changed_settings(results_of(tmp_path, Trial(1, [0.5, 0.6, 0.7]), text=LIMITED))
    assert "kept 160 of all, 80 to train in a fold" in text


def test_what_the_command_changed_is_named_but_for_the_space(tmp_path):
    results = results_of(tmp_path, Trial(1, [0.5, 0.6, 0.7]))
    assert changed_settings(results) == []
    command = "bench run digits training.epochs=2 --data=x search.space.model.num_heads=[1]"
    (text,) = changed_settings(replace(results, record={"command": command}))
    assert "(training.epochs=2)" in text
