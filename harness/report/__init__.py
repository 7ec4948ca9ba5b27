"""From the results folder to one offline page, Markdown, CSV and LaTeX; it reads tables alone."""
