"""What operating systems, network drives and tools leave between a person's files: never data."""

# Exact names alone: a class may well be called `recycled` or `tmp`. All that begins with a dot is
# hidden by custom: .DS_Store, ._x, .Trashes, .AppleDouble, .@__thumb, .ipynb_checkpoints.
LITTER = frozenset(
    {
        # Windows
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        # macOS, and its archives elsewhere
        "__macosx",
        "icon\r",
        "network trash folder",
        "temporary items",
        # Linux
        "lost+found",
        # Synology, QNAP, NetApp
        "@eadir",
        "#recycle",
        "#snapshot",
        "@recycle",
        "@recently-snapshot",
        "~snapshot",
        # Python, Picasa
        "__pycache__",
        "picasa.ini",
    }
)
LITTER_ENDINGS = ("@synoeastream", "@synoresource")  # Synology's beside the file they belong to


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is passed over, wherever it lies."""
    lower = name.lower()
    return name.startswith(".") or lower in LITTER or lower.endswith(LITTER_ENDINGS)
