"""Your own sounds: FOLDER/class/file, or a CSV table of paths and labels."""

from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.examples import DataError, Description, Examples
from data_prep.own_files import OwnFiles, description, examples, own_files
from data_prep.own_tables import OptionError, refuse
from data_prep.resampling import resampled
from data_prep.sound_files import whole_sound

if TYPE_CHECKING:
    from os import PathLike

    import numpy as np

ENDINGS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au")
PREPROCESSING = "channels averaged, the end cut off or silence appended"


def describe(
    root: "str | PathLike[str]" = ".",
    *,
    path: str,
    rate_hz: int = 16_000,
    seconds: float = 5.0,
    labels: str | None = None,
) -> Description:
    """What the listing of the folder says. Raises DataError where it is not as expected."""
    own = _own(root, path, rate_hz, seconds, labels)
    return description(
        own.items,
        own.class_names,
        title=f"Sounds of {path}",
        input_shape=(1, _samples(rate_hz, seconds)),
        sample_rate_hz=rate_hz,
        preprocessing=PREPROCESSING,
    )


def prepare(
    root: "str | PathLike[str]",
    *,
    path: str,
    rate_hz: int = 16_000,
    seconds: float = 5.0,
    labels: str | None = None,
) -> None:
    """Nothing to download; looks that the folder is as expected."""
    _own(root, path, rate_hz, seconds, labels)


def files(
    root: "str | PathLike[str]",
    *,
    path: str,
    rate_hz: int = 16_000,
    seconds: float = 5.0,
    labels: str | None = None,
) -> list[Path]:
    """The table, where there is one, and the sounds."""
    return _own(root, path, rate_hz, seconds, labels).raw_files


def load(
    root: "str | PathLike[str]",
    *,
    path: str,
    rate_hz: int = 16_000,
    seconds: float = 5.0,
    labels: str | None = None,
) -> Examples:
    """All sounds sorted by name: inputs (n, 1, rate_hz * seconds) float32 in -1..1.

    Channels are averaged, other rates resampled; what is longer loses its end, what is shorter
    is followed by silence. Raises DataError with the first few sounds that can't be read.
    """
    import numpy as np

    own = _own(root, path, rate_hz, seconds, labels)
    samples = _samples(rate_hz, seconds)
    inputs = np.zeros((len(own.items), 1, samples), dtype=np.float32)
    problems = []
    for row, file in enumerate(own.files):
        try:
            waveform = read_sound(file, rate_hz=rate_hz, seconds=seconds)
        except DataError as error:
            problems.append(f"{file}: {error}")
            continue
        inputs[row, 0, : len(waveform)] = waveform[:samples]
    refuse(
        problems,
        head=f"{own.folder}: sounds that can't be read",
        cure="mend them or take them away",
    )
    return examples(own.items, own.class_names, inputs)


def read_sound(file: Path, *, rate_hz: int, seconds: float) -> "np.ndarray":
    """(samples,) float32: the first `seconds`, or less, of one file in mono at `rate_hz`.

    Raises DataError for a file that can't be decoded, ends too early, or holds nothing.
    """
    import soundfile

    try:
        with soundfile.SoundFile(whole_sound(Path(file))) as sound:
            found_hz = sound.samplerate
            wanted = int((seconds + 1) * found_hz)  # one more, so that resampling has no edge
            waveform = sound.read(wanted, dtype="float32", always_2d=True).mean(axis=1)
            if sound.format == "FLAC" and len(waveform) < sound.frames:
                sound.seek(sound.frames - 1)  # fails where the end is missing
    except soundfile.SoundFileError as error:
        raise DataError(f"not readable as sound ({error})") from error
    except OSError as error:
        raise DataError(f"can't be read ({error.strerror})") from error
    if not len(waveform):
        raise DataError("no samples")
    return waveform if found_hz == rate_hz else resampled(waveform, found_hz, rate_hz)


def read_input(path: Path, *, rate_hz: int = 16_000, seconds: float = 5.0) -> "np.ndarray":
    """(1, rate_hz * seconds) float32 of any sound, as `load` gives it."""
    from data_prep.reading import sound

    return sound(path, rate_hz=rate_hz, seconds=seconds)[None]


def _samples(rate_hz: int, seconds: float) -> int:
    return round(rate_hz * seconds)


def _own(
    root: "str | PathLike[str]", path: str, rate_hz: int, seconds: float, labels: str | None
) -> OwnFiles:
    if rate_hz < 1:
        raise OptionError(f"must be at least 1; found {rate_hz}", option="rate_hz")
    if not 0 < _samples(rate_hz, seconds) < 2**31:
        raise OptionError(f"must give at least one sample; found {seconds}", option="seconds")
    return own_files(root, path=path, labels=labels, endings=ENDINGS)
