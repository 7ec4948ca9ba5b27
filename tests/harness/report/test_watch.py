"""The page of a run under way: written when tables grow, seldom, and once more at the end."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.errors import BenchError
from harness.report.page import Chapter, live_script, render_page, without_live_script
from harness.report.watch import RELOAD_S, stamp, stop_reloading, watch
from harness.results.lock import hold, is_held


class Story:
    """A clock that tells a story: what happens to the folder in each second."""

    def __init__(self, folder: Path, *seconds, writing_s: float = 0.1):
        self.folder, self.seconds, self.writing_s = folder, list(seconds), writing_s
        self.now_s, self.written = 0.0, []
        self.page = folder / "report.html"

    def sleep(self, seconds: float) -> None:
        """Time goes on; the next thing happens."""
        self.now_s += seconds
        if not self.seconds:
            raise KeyboardInterrupt
        happens = self.seconds.pop(0)
        if happens:
            happens()

    def write(self, reload_s):
        """A page whose making takes its time."""
        self.now_s += self.writing_s
        self.written.append((round(self.now_s), reload_s))
        self.page.write_text("page" + ("" if reload_s is None else live_script(reload_s)))
        return self.page

    def watch(self) -> None:
        """Until the story ends."""
        watch([self.folder], self.write, on_written=lambda page: None,
              sleep=self.sleep, clock=lambda: self.now_s)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trials").mkdir()
    return tmp_path


def grow(folder: Path, name: str):
    """A part more."""
    return lambda: (folder / "trials" / f"{name}.parquet").write_text("rows")


def test_a_run_is_followed_to_its_end(folder: Path) -> None:
    """Parts come in seconds 1 and 2: one page for both, five seconds after the first, and one
    that stays at the end."""
    run = ExitStack()
    run.enter_context(hold(folder))
    story = Story(folder, grow(folder, "a"), grow(folder, "b"), *[None] * 6, run.close)
    story.watch()
    assert story.written == [(0, RELOAD_S), (5, RELOAD_S), (9, None)]
    assert story.page.read_text() == "page"


def test_nothing_is_written_while_nothing_changes(folder: Path) -> None:
    with hold(folder), pytest.raises(KeyboardInterrupt):
        (story := Story(folder, *[None] * 30)).watch()
    assert len(story.written) == 1


def test_a_page_that_takes_long_is_written_seldom(folder: Path) -> None:
    """Two seconds of writing are a twentieth of forty."""
    changes = [grow(folder, str(second)) for second in range(60)]
    with hold(folder), pytest.raises(KeyboardInterrupt):
        (story := Story(folder, *changes, writing_s=2.0)).watch()
    assert [second for second, _ in story.written] == [2, 44]


def test_a_run_that_has_not_begun_is_waited_for(folder: Path) -> None:
    run = ExitStack()
    story = Story(folder, None, None, lambda: run.enter_context(hold(folder)), None, run.close)
    story.watch()
    assert story.written[-1] == (5, None)


def test_tables_that_change_while_they_are_read_are_read_again(folder: Path) -> None:
    run = ExitStack()
    run.enter_context(hold(folder))
    story = Story(folder, *[None] * 8, run.close)
    whole, answers = story.write, ["a part went away", None]

    def write(reload_s):
        if reload_s is not None and (wrong := answers.pop(0)):
            raise BenchError(wrong)
        return whole(reload_s)

    story.write = write
    story.watch()
    assert story.written == [(5, RELOAD_S), (9, None)]


def test_a_page_that_is_left_no_longer_reads_itself_anew(folder: Path) -> None:
    """After Ctrl-C nobody writes it any more."""
    with hold(folder), pytest.raises(KeyboardInterrupt):
        (story := Story(folder, None)).watch()
    assert story.page.read_text() == "page"


def test_the_script_can_be_taken_out_of_a_page(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    chapters = [Chapter("x", "X", [])]
    plain = render_page(chapters, title="X", made_at="now")
    file.write_text(render_page(chapters, title="X", made_at="now", reload_s=7))
    assert "1000 * 7" in file.read_text()
    stop_reloading(file)
    assert file.read_text() == plain == without_live_script(plain)


def test_what_a_report_reads_is_watched_and_not_the_report(folder: Path) -> None:
    before = stamp([folder])
    (folder / "report.html").write_text("page")
    assert stamp([folder]) == before
    grow(folder, "a")()
    assert stamp([folder]) != before


def test_whether_a_run_is_under_way_is_known_without_disturbing_it(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    assert not list(tmp_path.iterdir())
    with hold(tmp_path):
        assert is_held(tmp_path)
    assert not is_held(tmp_path)
