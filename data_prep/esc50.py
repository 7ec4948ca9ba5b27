"""ESC-50 and its subset ESC-10: five-second environmental sounds as raw waveforms.

K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia 2015,
doi 10.1145/2733373.2806390. As published: ROOT/ESC-50-master/{meta/esc50.csv,audio/*.wav}.
"""

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from data_prep.examples import DataError, Description, Examples

if TYPE_CHECKING:
    from os import PathLike

    import numpy as np

# The publisher gives no checksum of the archive, and GitHub packs it anew for every download.
ARCHIVE_URL = "https://github.com/karoldvl/ESC-50/archive/master.zip"
CHECKED = (
    "the publisher gives no checksum of the archive; compared were that of the table, and the "
    "format and length of every clip"
)
FOLDER = "ESC-50-master"
TABLE_SHA256 = "ca660da60191a97de289983a05821c9382d852a38a2ba8428980816b68cf6246"
TABLE_COLUMNS = ("filename", "fold", "category", "esc10", "src_file")
PARTS = (1, 2, 3, 4, 5)

_ESC10 = """chainsaw clock_tick crackling_fire crying_baby dog helicopter rain rooster sea_waves
sneezing"""
_ESC50 = """airplane breathing brushing_teeth can_opening car_horn cat chainsaw chirping_birds
church_bells clapping clock_alarm clock_tick coughing cow crackling_fire crickets crow crying_baby
dog door_wood_creaks door_wood_knock drinking_sipping engine fireworks footsteps frog
glass_breaking hand_saw helicopter hen insects keyboard_typing laughing mouse_click pig
pouring_water rain rooster sea_waves sheep siren sneezing snoring thunderstorm toilet_flush train
vacuum_cleaner washing_machine water_drops wind"""
ESC10_CLASSES = tuple(_ESC10.split())
ESC50_CLASSES = tuple(_ESC50.split())
CLIPS_PER_CLASS = 40

CLIP_RATE_HZ = 44_100
CLIP_SAMPLES = 220_500  # 5 s
CLIP_S = 5
RATE_HZ = 16_000  # as published
N_FRAMES = 9  # of 1 s, half overlapping
SHOWN_PROBLEMS = 5


class Clip(NamedTuple):
    """One row of the table, and the file it stands for."""

    file: Path
    part: int
    group: str
    class_name: str


def describe(
    *,
    subset: Literal["esc10", "all"] = "all",
    framing: Literal["frames", "whole"] = "frames",
    rate_hz: Literal[16000, 22050, 32000, 44100] = 16000,
) -> Description:
    """What is known without reading any data.

    framing: `frames`, as published: nine half-overlapping seconds in a row; `whole`: all five.
    """
    esc10 = subset == "esc10"
    return Description(
        title="ESC-10: environmental sounds" if esc10 else "ESC-50: environmental sounds",
        input_shape=input_shape(framing, rate_hz),
        class_names=_class_names(subset),
        n_examples=CLIPS_PER_CLASS * len(_class_names(subset)),
        source="K. J. Piczak, ACM Multimedia 2015, doi 10.1145/2733373.2806390",
        licence="CC BY 3.0" if esc10 else "CC BY-NC 3.0",
        parts=PARTS,
        has_groups=True,
        sample_rate_hz=rate_hz,
    )


def prepare(
    root: "str | PathLike[str]",
    *,
    subset: Literal["esc10", "all"] = "all",
    framing: Literal["frames", "whole"] = "frames",
    rate_hz: Literal[16000, 22050, 32000, 44100] = 16000,
    progress: Callable[[int, int | None], None] | None = None,
) -> None:
    """Download the publisher's archive (about 600 MB) below `root`; right files are left alone.

    What can be compared is said in `CHECKED`: a clip with other sound in it would be taken.
    progress(done, total) counts the downloaded bytes. Raises DataError where that fails.
    """
    import tempfile

    from data_prep.download import download, put_missing, unpack

    root = Path(root)
    table = root / FOLDER / "meta" / "esc50.csv"
    if table.exists():
        _check_table_sum(table)
        if not _bad_clips(_clips(root, subset)):
            return
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".esc50-") as temporary:
        archive = download(ARCHIVE_URL, Path(temporary) / "master.zip", progress=progress)
        fresh = Path(temporary) / "unpacked"
        unpack(archive, fresh)
        _check_table_sum(_table(fresh))
        _refuse_bad(_bad_clips(_clips(fresh, subset)), cure="the download is not the published one")
        damaged = {file for file in (root / FOLDER).rglob("*.wav") if _problem(file)}
        put_missing(fresh / FOLDER, root / FOLDER, is_damaged=damaged.__contains__)


def files(
    root: "str | PathLike[str]",
    *,
    subset: Literal["esc10", "all"] = "all",
    framing: Literal["frames", "whole"] = "frames",
    rate_hz: Literal[16000, 22050, 32000, 44100] = 16000,
) -> list[Path]:
    """The table and the clips of the subset, sorted. Raises DataError where some are missing."""
    clips = _clips(Path(root), subset)
    _refuse_bad([f"{clip.file}: missing clip" for clip in clips if not clip.file.is_file()])
    return [_table(Path(root)), *(clip.file for clip in clips)]


def load(
    root: "str | PathLike[str]",
    *,
    subset: Literal["esc10", "all"] = "all",
    framing: Literal["frames", "whole"] = "frames",
    rate_hz: Literal[16000, 22050, 32000, 44100] = 16000,
) -> Examples:
    """All clips of the subset by file name: inputs (n, 1, samples) float32, see `describe`.

    Parts are the publisher's folds, groups the source recordings. Raises DataError, with the
    first few names, for clips that are missing, damaged, or not mono 44.1 kHz of 5 s.
    """
    import numpy as np

    clips = _clips(Path(root), subset)
    _refuse_bad(_bad_clips(clips))
    class_names = _class_names(subset)
    inputs = np.empty((len(clips), *input_shape(framing, rate_hz)), dtype=np.float32)
    for row, clip in enumerate(clips):
        inputs[row] = preprocess(_decode(clip.file), framing=framing, rate_hz=rate_hz)
    return Examples(
        inputs=inputs,
        targets=np.array([class_names.index(clip.class_name) for clip in clips], dtype=np.int64),
        example_ids=np.array([clip.file.stem for clip in clips]),
        class_names=class_names,
        parts=np.array([clip.part for clip in clips], dtype=np.int64),
        groups=np.array([clip.group for clip in clips]),
    )


def input_shape(framing: str, rate_hz: int) -> tuple[int, int]:
    """(1, samples): (1, 144000) for nine frames at 16 kHz, (1, 80000) for whole clips."""
    return (1, (N_FRAMES if framing == "frames" else CLIP_S) * rate_hz)


def preprocess(
    samples: "np.ndarray", *, framing: str = "frames", rate_hz: int = RATE_HZ
) -> "np.ndarray":
    """(220500,) at 44.1 kHz to `input_shape`: whole, or 9 half-overlapping frames of 1 s."""
    import numpy as np
    import torch
    from torchaudio.functional import resample

    waveform = resample(torch.from_numpy(samples), CLIP_RATE_HZ, rate_hz).numpy()
    if framing == "whole":
        return waveform[np.newaxis]
    hop = rate_hz // 2
    frames = [waveform[start * hop : start * hop + rate_hz] for start in range(N_FRAMES)]
    return np.concatenate(frames)[np.newaxis]


def preview(inputs: "np.ndarray", *, framing: str = "frames", rate_hz: int = 16000) -> "np.ndarray":
    """(n, 1, samples) as a person would hear them: frames without their overlap are the clip."""
    from data_prep.reading import without_overlap

    return without_overlap(inputs, N_FRAMES if framing == "frames" else 1)


def read_input(path: Path, *, framing: str = "frames", rate_hz: int = RATE_HZ) -> "np.ndarray":
    """(1, samples) of the first five seconds of any sound, as `load` gives it of a clip."""
    from data_prep.reading import sound

    clip = sound(path, rate_hz=CLIP_RATE_HZ, seconds=CLIP_S)
    return preprocess(clip, framing=framing, rate_hz=rate_hz)


def _class_names(subset: str) -> tuple[str, ...]:
    return ESC10_CLASSES if subset == "esc10" else ESC50_CLASSES


def _table(root: Path) -> Path:
    """The table's path. Raises DataError where it or its folder is missing."""
    folder = root / FOLDER
    table = folder / "meta" / "esc50.csv"
    for path in (folder, table):
        if not path.exists():
            raise DataError(
                f"{path} is missing: run `bench prepare esc50`, or name the folder that holds "
                f"{FOLDER}/ with `--data DIR`"
            )
    return table


def _clips(root: Path, subset: str) -> list[Clip]:
    """The subset's rows, sorted by file name. Raises DataError where the table is not as it was."""
    table = _table(root)
    try:
        with table.open(newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle)
            missing = [name for name in TABLE_COLUMNS if name not in (reader.fieldnames or ())]
            rows = [] if missing else list(enumerate(reader, start=2))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: can't be read ({error}); {_CURE}") from error
    if missing:
        raise DataError(f"{table}: no column {', '.join(missing)}; {_CURE}")
    clips = [
        _clip(table, line, row) for line, row in rows if subset == "all" or row["esc10"] == "True"
    ]
    names = {clip.file.name for clip in clips}
    expected = CLIPS_PER_CLASS * len(_class_names(subset))
    if len(clips) != expected or len(names) != expected:
        listed = f"lists {len(names)} clips for subset {subset!r}, not {expected}"
        raise DataError(f"{table}: {listed}; {_CURE}")
    return sorted(clips, key=lambda clip: clip.file.name)


def _clip(table: Path, line: int, row: dict[str, str]) -> Clip:
    name, part, class_name = row["filename"], row["fold"], row["category"]
    plain = bool(name) and Path(name).name == name and name not in (".", "..")
    if not plain or part not in map(str, PARTS) or class_name not in ESC50_CLASSES:
        raise DataError(f"{table}:{line}: not a row of the published table; {_CURE}")
    file = table.parent.parent / "audio" / name
    return Clip(file, part=int(part), group=row["src_file"] or name, class_name=class_name)


def _bad_clips(clips: Iterable[Clip]) -> list[str]:
    return [problem for clip in clips if (problem := _problem(clip.file))]


def _problem(file: Path) -> str | None:
    """What is wrong with a clip's header and length, or None."""
    import soundfile

    if not file.is_file():
        return f"{file}: missing clip"
    if file.stat().st_size == 0:
        return f"{file}: empty file"
    try:
        info = soundfile.info(file)
    except soundfile.SoundFileError as error:
        return f"{file}: not readable as audio ({error})"
    if info.samplerate != CLIP_RATE_HZ:
        return f"{file}: {info.samplerate} Hz, expected {CLIP_RATE_HZ} Hz"
    if info.channels != 1:
        return f"{file}: {info.channels} channels, expected mono"
    if info.frames != CLIP_SAMPLES:
        shorter = "truncated, " if info.frames < CLIP_SAMPLES else ""
        return f"{file}: {shorter}{info.frames:,} samples, expected {CLIP_SAMPLES:,}"
    return None


_CURE = (
    "run `bench prepare esc50` to put what is missing or damaged in place, "
    "or name another folder with `--data DIR`"
)


def _refuse_bad(problems: list[str], *, cure: str = _CURE) -> None:
    if not problems:
        return
    shown = [f"  {problem}" for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        shown.append(f"  and {len(problems) - SHOWN_PROBLEMS} more")
    head = "1 bad clip" if len(problems) == 1 else f"{len(problems)} bad clips"
    raise DataError("\n".join([f"esc50: {head}", *shown, f"  {cure}"]))


def _decode(file: Path) -> "np.ndarray":
    """(220500,) float32 in -1..1."""
    import soundfile

    try:
        samples, _ = soundfile.read(file, dtype="float32")
    except soundfile.SoundFileError as error:
        raise DataError(f"{file}: not readable as audio ({error}); {_CURE}") from error
    return samples


def _check_table_sum(table: Path) -> None:
    import hashlib

    found = hashlib.sha256(table.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    if found != TABLE_SHA256:
        raise DataError(
            f"{table}: sha256 is {found}, published is {TABLE_SHA256}; "
            f"move {FOLDER}/ away and run `bench prepare esc50` again"
        )
