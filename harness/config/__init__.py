"""The benchmark file: from YAML text to frozen, validated values."""
