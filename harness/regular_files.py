"""Opening regular files and nothing else, whatever lies in their place.

A pipe or a socket would be waited for, for ever, and a device may have no end.
"""

import errno
import os
import stat
from pathlib import Path

_NO_FILES = (errno.ELOOP, errno.ENXIO)  # a link; a socket, or a pipe without a reader


class NotRegular(OSError):
    """What lies there is no regular file."""


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a regular file without waiting.

    Args:
        path: The file; a link is followed unless `flags` has O_NOFOLLOW.
        flags: As `os.open` takes them.

    Returns:
        A descriptor, which the caller closes.

    Raises:
        NotRegular: Something else lies there.
        OSError: It can't be opened.
    """
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in _NO_FILES:
            raise NotRegular(f"{path} is no regular file") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegular(f"{path} is no regular file")
    return descriptor
