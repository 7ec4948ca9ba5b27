"""A private Ray without the helpers that no sweep uses, with the settings of its own run."""

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def without_helpers() -> Iterator[None]:
    """While this lasts, a Ray that is started here has no autoscaler, log monitor and dashboard.

    Each is a Python process of half a second on the way to the first trial, and the autoscaler
    takes a second to end. Ray offers no option for it; one that calls them otherwise keeps them.
    """
    from ray._private.node import Node

    replaced = {name: getattr(Node, name) for name in _HELPERS if hasattr(Node, name)}
    try:
        for name in replaced:
            setattr(Node, name, _HELPERS[name])
        yield
    finally:
        for name, method in replaced.items():
            setattr(Node, name, method)


def _not_started(node: Any) -> None:
    pass


def _no_dashboard(node: Any, **options: Any) -> None:
    node._webui_url = None


def read_environment_anew() -> None:
    """Make Ray's C++ side of this process read its settings and its token once more.

    Both are read when Ray is imported, and once: a second run of one process would present the
    token of the first. Tried with Ray 2.55 and 2.60; an older one that lacks the names has read
    nothing before its first start.
    """
    from ray import _raylet

    _raylet.Config.initialize("")  # type: ignore[attr-defined]
    loader = getattr(_raylet, "AuthenticationTokenLoader", None)
    if loader is not None:
        loader.instance().reset_cache()


_HELPERS = {
    "start_monitor": _not_started,
    "start_log_monitor": _not_started,
    "start_api_server": _no_dashboard,
}
