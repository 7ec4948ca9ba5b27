"""A model's layers as a table: shapes, parameters, memory."""

from rich.table import Table

from harness.planning.models import InspectedModel


def layer_table(model: InspectedModel) -> Table:
    """One row a layer, as torchinfo sees it; multiply-adds by torch's own counter."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    for name in ("output shape", "parameters", "multiply-adds", "memory MB"):
        table.add_column(name, justify="right", no_wrap=True)
    for layer in model.layers:
        table.add_row(
            layer.name,
            layer.kind,
            "×".join(map(str, layer.output_shape)),
            f"{layer.n_parameters:,}",
            "" if layer.mult_adds is None else f"{layer.mult_adds:,}",
            f"{layer.memory_mb:.3f}",
        )
    return table
