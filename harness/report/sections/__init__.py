"""One file a section: a pure function from tables to numbers, one from numbers to what is shown."""
