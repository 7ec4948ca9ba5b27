"""From the results folder to one offline page, Markdown, CSV and LaTeX. Reads tables, never data."""
