"""What is written is there once, whole, whatever is added, replaced, or interrupted."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from folders import Builder, deaths, dying_at, read_rows, whole
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.results import table_writer
from harness.results.parquet_parts import part_name
from harness.results.repair import repair
from harness.results.table_writer import TableWriter, compact


def test_trials_are_written_together_in_one_part_per_table(build, folder):
    writer = TableWriter(folder, build.schemas)
    for trial_id in ("b", "a"):
        writer.add(trial_id, build.tables(trial_id))
    writer.close()
    assert list(whole(folder)) == ["a", "b"]
    names = {path.name for path in folder.glob("*/*.parquet")}
    assert names == {part_name(["a", "b"])}


def test_a_parts_name_follows_from_its_trials_alone():
    assert part_name(["a", "b"]) == part_name(["b", "a"]) != part_name(["a"])


def test_a_failed_trial_has_no_file_of_folds_or_predictions(build, folder):
    build.write(folder, "a", status="failed")
    assert whole(folder)["a"]["status"] == "failed"
    assert sorted(path.parent.name for path in folder.glob("*/*.parquet")) == ["epochs", "trials"]


def test_rows_wait_for_a_moment_and_no_longer(build, folder, monkeypatch):
    now_s = 100.0
    monkeypatch.setattr(table_writer.time, "monotonic", lambda: now_s)
    writer = TableWriter(folder, build.schemas)
    writer.add("a", build.tables("a"))
    writer.flush_if_due()
    assert not (folder / "trials").exists()
    now_s += table_writer.HOLD_S
    writer.add("b", build.tables("b"))
    writer.flush_if_due()
    assert set(whole(folder)) == {"a", "b"}


def test_much_is_written_at_once(build, folder, monkeypatch):
    monkeypatch.setattr(table_writer, "HOLD_BYTES", 1)
    TableWriter(folder, build.schemas).add("a", build.tables("a"))
    assert set(whole(folder)) == {"a"}


def test_a_trial_trained_again_replaces_its_rows_and_no_others(build, folder):
    writer = TableWriter(folder, build.schemas)
    for trial_id in ("a", "b", "c"):
        writer.add(trial_id, build.tables(trial_id))
    writer.close()
    again = TableWriter(folder, build.schemas)
    again.add("b", build.tables("b", accuracy=0.75), replace=True)
    again.close()
    rows = whole(folder)
    assert {key: row["val_accuracy_mean"] for key, row in rows.items()} == {
        "a": 0.5,
        "b": 0.75,
        "c": 0.5,
    }


def test_a_trial_that_fails_when_trained_again_loses_its_folds(build, folder):
    build.write(folder, "a")
    writer = TableWriter(folder, build.schemas)
    writer.add("a", build.tables("a", status="failed"), replace=True)
    writer.close()
    assert whole(folder)["a"]["status"] == "failed"


def test_earlier_rows_are_not_replaced_by_accident(build, folder):
    build.write(folder, "a")
    writer = TableWriter(folder, build.schemas)
    with pytest.raises(ValueError, match="trial a has rows already"):
        writer.add("a", build.tables("a"))


def test_what_the_same_writer_wrote_is_replaced_without_asking(build, folder):
    writer = TableWriter(folder, build.schemas)
    writer.add("a", build.tables("a"))
    writer.flush()
    writer.add("a", build.tables("a", accuracy=0.75))
    writer.add("a", build.tables("a", accuracy=1.0))
    writer.close()
    assert whole(folder)["a"]["val_accuracy_mean"] == 1.0


def test_more_repeats_keep_the_earlier_rows(build, folder):
    build.write(folder, "a", "b", repeats=(1, 2))
    writer = TableWriter(folder, build.schemas)
    more = build.tables("a", repeats=(3,), accuracy=0.75)
    writer.add("a", more, replace=True, keep_repeats=(1, 2))
    writer.close()
    assert whole(folder)["a"]["n_repeats"] == 3
    folds = [row for row in read_rows(folder, "folds") if row["trial_id"] == "a"]
    assert [row["val_accuracy"] for row in folds] == [0.5, 0.5, 0.5, 0.5, 0.75, 0.75]


def test_repeats_that_are_not_kept_go(build, folder):
    build.write(folder, "a", repeats=(1, 2))
    writer = TableWriter(folder, build.schemas)
    again = build.tables("a", repeats=(2,), accuracy=0.75)
    writer.add("a", again, replace=True, keep_repeats=(1,))
    writer.close()
    whole(folder)
    assert [row["val_accuracy"] for row in read_rows(folder, "folds")] == [0.5, 0.5, 0.75, 0.75]


def test_rows_survive_a_write_that_failed(build, folder):
    writer = TableWriter(folder, build.schemas)
    writer.add("a", build.tables("a"))
    writer.flush()
    writer.add("a", build.tables("a", accuracy=0.75))
    for step in range(12):
        with dying_at(step):
            writer.flush()
    writer.close()
    assert whole(folder)["a"]["val_accuracy_mean"] == 0.75


def test_narrow_rows_are_written_in_the_writers_schema(build, folder):
    wider = {
        **build.schemas,
        "folds": build.schemas["folds"].append(pa.field("val_extra", pa.float64())),
    }
    TableWriter(folder, wider).add("a", build.tables("a"))
    writer = TableWriter(folder, wider)
    writer.add("a", build.tables("a"))
    writer.close()
    assert pq.read_schema(next((folder / "folds").glob("*"))).equals(wider["folds"])


def test_dying_while_new_trials_are_written_leaves_them_whole_or_absent(build, folder):
    build.write(folder, "a", "b")

    def act(copy):
        writer = TableWriter(copy, build.schemas)
        for trial_id in ("c", "d"):
            writer.add(trial_id, build.tables(trial_id))
        writer.close()

    seen = set()
    for copy in deaths(act, folder):
        repair(copy)
        seen.add(tuple(sorted(whole(copy))))
    assert seen == {("a", "b"), ("a", "b", "c", "d")}


def test_dying_while_a_trial_is_replaced_leaves_the_old_or_the_new(folder):
    build = Builder()
    writer = TableWriter(folder, build.schemas)
    for trial_id in ("a", "b"):
        writer.add(trial_id, build.tables(trial_id))
    writer.close()

    def act(copy):
        writer = TableWriter(copy, build.schemas)
        writer.add("a", build.tables("a", accuracy=0.75), replace=True)
        writer.add("c", build.tables("c"))
        writer.close()

    seen = set()
    for copy in deaths(act, folder):
        repair(copy)
        rows = whole(copy)
        folds = {row["val_accuracy"] for row in read_rows(copy, "folds") if row["trial_id"] == "a"}
        assert folds == {rows["a"]["val_accuracy_mean"]}
        assert ("c" in rows) == (rows["a"]["val_accuracy_mean"] == 0.75)
        assert "b" in rows
        seen.add(rows["a"]["val_accuracy_mean"])
    assert seen == {0.5, 0.75}


def test_dying_while_repeats_are_added_leaves_two_or_three(build, folder):
    build.write(folder, "a", "b", repeats=(1, 2))

    def act(copy):
        writer = TableWriter(copy, build.schemas)
        more = build.tables("a", repeats=(3,))
        writer.add("a", more, replace=True, keep_repeats=(1, 2))
        writer.close()

    seen = set()
    for copy in deaths(act, folder):
        repair(copy)
        seen.add(whole(copy)["a"]["n_repeats"])
    assert seen == {2, 3}


actions = st.lists(
    st.tuples(
        st.sampled_from(["add", "flush", "die", "restart"]),
        st.sampled_from("abcd"),
        st.integers(0, 12),
    ),
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(actions=actions)
def test_any_history_ends_in_whole_tables_with_every_acknowledged_trial(tmp_path_factory, actions):
    """The last flushed version of a trial is there; one amid whose flush we died may be newer."""
    build, folder = Builder(), tmp_path_factory.mktemp("history")
    written: dict[str, set[float]] = {}
    held: dict[str, float] = {}
    writer = TableWriter(folder, build.schemas)
    for place, (action, trial_id, step) in enumerate(actions):
        if action == "add":
            held[trial_id] = place / 100
            writer.add(trial_id, build.tables(trial_id, accuracy=place / 100), replace=True)
        if action == "flush":
            writer.flush()
            written.update({key: {value} for key, value in held.items()})
            held.clear()
        if action == "die":
            with dying_at(step):
                writer.flush()
            for key, value in held.items():
                written[key] = written.get(key, {None}) | {value}
        if action in ("die", "restart"):
            held.clear()
            repair(folder)
            writer = TableWriter(folder, build.schemas)
    repair(folder)
    rows = whole(folder)
    for key, values in written.items():
        assert rows.get(key, {"val_accuracy_mean": None})["val_accuracy_mean"] in values
    assert rows.keys() <= written.keys()


def test_compaction_leaves_the_same_rows_in_one_part_sorted_by_trial(build, folder):
    build.write(folder, "c", "a")
    build.write(folder, "b", status="failed")
    before = whole(folder)
    assert compact(folder, threshold=2) == 3
    assert whole(folder) == before
    assert {path.name for path in folder.glob("*/*.parquet")} == {part_name(["a", "b", "c"])}
    folds = [(row["trial_id"], row["fold"]) for row in read_rows(folder, "folds")]
    assert folds == [("a", 1), ("a", 2), ("c", 1), ("c", 2)]


def test_few_parts_are_left_alone(build, folder):
    build.write(folder, "a", "b")
    assert compact(folder, threshold=2) == 0
    assert len(list((folder / "trials").glob("*.parquet"))) == 2


def test_large_parts_are_not_joined_further(build, folder, monkeypatch):
    """So a trial that is replaced never costs the rewriting of everything."""
    build.write(folder, "a", "b", "c")
    monkeypatch.setattr(table_writer, "PART_BYTES", 1)
    assert compact(folder, threshold=0) == 0
    assert set(whole(folder)) == {"a", "b", "c"}


def test_a_trial_of_a_compacted_part_can_be_replaced(build, folder):
    build.write(folder, "a", "b", "c")
    compact(folder, threshold=0)
    writer = TableWriter(folder, build.schemas)
    writer.add("b", build.tables("b", accuracy=0.75), replace=True)
    writer.close()
    rows = whole(folder)
    assert [rows[one]["val_accuracy_mean"] for one in "abc"] == [0.5, 0.75, 0.5]


def test_dying_while_parts_are_joined_neither_loses_nor_doubles(build, folder):
    build.write(folder, "a", "b", "c")
    before = whole(folder)
    for copy in deaths(lambda copy: compact(copy, threshold=1), folder):
        repair(copy)
        assert whole(copy) == before
