"""Rows in Parquet: their schemas, how they are written and read, and the numbers made of them."""
