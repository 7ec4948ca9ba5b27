"""A model's layers as a table: shapes, parameters, memory."""

from rich.table import Table

from harness.engine.model_checks import InspectedModel


def layer_table(model: InspectedModel) -> Table:
    """One row a layer, as torchinfo sees it; multiply-adds by torch's own counter."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    for name in ("output shape", "parameters", "multiply-adds", "memory MB"):
        table.add_column(name, justify="right", no_wrap=True)
    for layer in model.layers:
        table.add_row(
            layer.name or "(whole)",
            layer.kind,
            "×".join(map(str, layer.output_shape)),
            _count(layer.n_parameters),
            _count(layer.mult_adds),
            f"{layer.memory_mb:.3f}" if layer.memory_mb else "",
        )
    return table


def _count(number: int | None) -> str:
    """A layer without any of its own stays blank, so that the others stand out."""
    return f"{number:,}" if number else ""
