"""A paragraph for the methods section of a paper, from the file and the tables alone."""

from collections.abc import Sequence

from harness.config.benchmark import BenchmarkSpec
from harness.report.benchmark_results import ROLE_OF, BenchmarkResults
from harness.report.blocks import Section, Text, section
from harness.report.fold_matching import same_folds
from harness.report.formatting import listed, metric_name, plural
from harness.report.per_dataset import NOT_COMPARED, DatasetResults, split_by_dataset
from harness.report.pruned import pruned_configurations, pruned_text

STRATEGIES = {
    "predefined": "the dataset's own parts",
    "stratified": "stratified parts",
    "group": "parts that keep groups whole",
    "kfold": "random parts",
    "holdout": "a random hold-out split",
    "official": "the dataset's official split",
}


OWN_PARTS = ("predefined", "official")  # strategies whose repeats keep the parts

SEARCHES = {
    "grid": "grid",
    "random": "random",
    "tpe": "drawn one after another by Optuna's tree-structured Parzen estimator",
}


def methods(results: BenchmarkResults) -> Section:
    """Return the section."""
    return section("methods", "Methods", Text(compute(results)))


def compute(results: BenchmarkResults) -> str:
    """Say what was trained on what, how it was chosen, how intervals and tests are made."""
    spec = results.spec
    sentences = [
        _trained(results),
        _validated(results),
        _chosen(spec),
        _optimism(results),
        _intervals(results),
        _by_example(results),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _trained(results: BenchmarkResults) -> str:
    spec, training = results.spec, results.spec.training
    searched = set(results.names)
    models = ", ".join(dict.fromkeys(variant.model.name for variant in results.spec.variants))
    text = f"{plural(len(results.configurations), 'configuration')} of {models}"
    how = SEARCHES[spec.search.algorithm]
    text += f" ({how} over {', '.join(results.names.values())})" if searched else ""
    limit = spec.dataset.limit
    part = "" if limit is None else f"at most {limit:,} examples of "
    were = "was" if len(results.configurations) == 1 else "were"
    data = listed([part.name for part in split_by_dataset(results)])
    text += f" {were} trained on {part}{data or spec.dataset.name}"
    fixed = {
        "epochs": f"for {training.epochs} epochs",
        "optimizer": f"with {training.optimizer}",
        "lr": f"at learning rate {training.lr:g}",
        "batch_size": f"in batches of {training.batch_size}",
    }
    told = [words for key, words in fixed.items() if f"training.{key}" not in searched]
    text += f" {', '.join(told)}." if told else "."
    if training.fast_operators or "training.fast_operators" in searched:
        text += " On CPUs, pools, dropout and attention were bench's operators, not torch's"
        text += "." if training.fast_operators else ", where training.fast_operators says so."
    unfinished = len(results.configurations) - len(results.complete)
    text += f" {len(results.complete):,} of them completed." if unfinished else ""
    return f"{text} {_stopped(results)}".rstrip()


def _stopped(results: BenchmarkResults) -> str:
    """Say what a scheduler did, in this run or in earlier ones that its trials come from."""
    pruning, said = results.spec.search.pruning, pruned_text(results)
    if pruning is None or not said:
        return f"{said}." if said else ""
    epochs = results.spec.training.epochs
    return (
        f"{said} (ASHA, from epoch {pruning.grace_of(epochs)} on, reduction factor "
        f"{pruning.reduction_factor})."
    )


def _validated(results: BenchmarkResults) -> str:
    cross, parts = results.spec.cross_validation, split_by_dataset(results)
    text = f"{_who(results, parts)} the same folds, made of {STRATEGIES[cross.strategy]}"
    sizes = {
        (int(configuration.row.get("n_folds") or 1), int(configuration.row.get("n_repeats") or 1))
        for part in parts
        for configuration in part.results.complete[:1]
    }
    if len(sizes) == 1:
        ((n_folds, n_repeats),) = sizes
        text += f": {plural(n_folds, 'fold')}, {plural(n_repeats, 'repeat')}"
        if n_repeats > 1:
            text += " of the same parts" if cross.strategy in OWN_PARTS else ", each cut anew"
    tests = {
        "rotate": "; each part was the test once",
        "none": "; no part was held out as test",
        "official": "; the test was the dataset's own",
    }
    if isinstance(cross.test_fold, int):
        text += f"; part {cross.test_fold} was the test of every fold"
    text += tests.get(str(cross.test_fold), "")
    return f"{text}. {_left_out(results)}Seed {results.spec.seed}."


def _left_out(results: BenchmarkResults) -> str:
    """Say that an epoch does not take every train example, if so."""
    if "n_train_per_epoch" not in results.folds.columns:
        return ""
    left_out = (results.folds["n_train"] - results.folds["n_train_per_epoch"]).max()
    if not left_out > 0:
        return ""
    most = plural(int(left_out), "train example")
    return f"So that folds keep step, an epoch leaves out up to {most} of a fold, drawn anew. "


def _who(results: BenchmarkResults, parts: Sequence[DatasetResults]) -> str:
    """Say who had the same folds: index sets of different examples are never the same folds."""
    if len(parts) > 1:
        return f"{NOT_COMPARED}; those of one data were trained on"
    same = same_folds(results)
    if all(same(configuration, results.complete[0]) for configuration in results.complete[1:]):
        return "All were trained on"
    return "Those that were given the same examples were trained on"


def _chosen(spec: BenchmarkSpec) -> str:
    name = metric_name(spec.objective.metric)
    epoch = (
        "the last epoch's weights were used"
        if spec.training.selection == "last"
        else f"the epoch was chosen by the fold's validation {name}"
    )
    return (
        f"In each fold {epoch}; configurations were ranked by mean validation {name}, and the "
        "test was evaluated once, with the chosen weights."
    )


def _optimism(results: BenchmarkResults) -> str:
    parts = split_by_dataset(results)
    if max(len(part.results.complete) for part in parts) < 2:
        return ""
    best = f"the best of {len(results.complete):,} complete configurations"
    if len(parts) > 1:
        best = "the best of each data"
    text = (
        f"As {best} {_and_stopped(results)}was chosen on validation, its validation score is "
        "optimistic"
    )
    if results.test_rotates:
        text += (
            "; the nested estimate lets each fold choose on its own validation and takes the "
            "mean of the chosen ones' test scores"
        )
    return text + "."


def _and_stopped(results: BenchmarkResults) -> str:
    """Mention pruned configurations, which were compared on validation too."""
    pruned = len(pruned_configurations(results))
    return f"(and {pruned:,} that were stopped early) " if pruned else ""


def _intervals(results: BenchmarkResults) -> str:
    if len(results.shared_folds) < 2:
        return (
            "With a single fold there is no interval over folds; intervals of accuracy are "
            "Wilson's, over examples."
        )
    reference = "the baseline" if results.baseline else "the best one"
    role = ROLE_OF[results.compared_split]
    return (
        "Intervals are 95 % by the corrected resampled t-test (Nadeau and Bengio 2003); "
        f"configurations were compared on {role} scores, paired by fold, with "
        f"{reference}; p-values were adjusted by Holm (1979), with the Bayesian correlated t-test "
        "(Corani and Benavoli 2015) and a region of practical equivalence of 0.01."
    )


def _by_example(results: BenchmarkResults) -> str:
    if len(results.complete) < 2 or results.spec.predictions == "none":
        return ""
    if results.test_rotates:
        return (
            "Pooled test predictions were compared by the exact McNemar test and a paired "
            "bootstrap over examples, or whole groups where there are groups."
        )
    return (
        "Predictions were compared by a paired bootstrap over examples, or whole groups where "
        "there are groups."
    )
