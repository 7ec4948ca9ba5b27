"""The last plan is the one that is reported, trained or not."""

from pathlib import Path

from harness.engine.plan_record import is_recorded, record_run
from harness.results.runs import last_plan
from tests.plans import FILE, plan_of


def test_a_recorded_plan_is_known_until_another_one_is(tmp_path: Path) -> None:
    """In the order of the plan, trial by trial."""
    plan = plan_of(tmp_path, FILE)
    unknown = is_recorded(plan)
    record_run(plan, "20260101T000000-0000", settings={"command": "bench run"}, data_card={"a": 1})
    known = is_recorded(plan)

    assert (unknown, known) == (False, True)
    assert last_plan(tmp_path) == [trial.trial_id for trial in plan.trials]
    assert not is_recorded(plan_of(tmp_path, FILE, limit=1))


def test_without_new_data_the_last_card_stands(tmp_path: Path) -> None:
    """A run with nothing to train reads no data."""
    plan = plan_of(tmp_path, FILE)
    record_run(plan, "20260101T000000-0000", settings={}, data_card={"a": 1})
    record_run(plan, "20260101T000001-0000", settings={})

    cards = sorted((plan.folder / "runs").glob("*/data_card.json"))

    assert len(cards) == 2
    assert cards[0].read_text() == cards[1].read_text()
