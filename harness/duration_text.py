"""A span of time in words, on the screen and on the page."""


def duration(seconds: float) -> str:
    """`0.02 s`, `1.4 s`, `45 s`, `3 min 20 s` or `2 h 05 min`."""
    whole = round(seconds)
    if 0 < seconds < 0.1:
        return f"{max(seconds, 0.01):.2f} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
