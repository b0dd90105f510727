"""The names by which clients choose among the loaded models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..bundle import DEFAULT, parse_reference
from .answers import ApiError
from .batching import MAIN
from .settings import ALIASES, ServerSettings

if TYPE_CHECKING:
    from ..recognition.model import Model


@dataclass(frozen=True)
class ModelNames:
    """All names and their models."""

    keys: Mapping[str, str]
    """Name -> the worker's name of the model."""
    listed: tuple[str, ...]
    """Those that `/v1/models` lists."""

    @classmethod
    def of(cls, models: Mapping[str, Model], settings: ServerSettings) -> ModelNames:
        """`models`: by the worker's names."""
        listed: dict[str, str] = {}
        more: dict[str, str] = {}
        for key, model in models.items():
            manifest = model.manifest
            own = (key,) if key else (*_asked_for(settings.bundle), manifest.name, *ALIASES, *settings.models)
            listed |= {name: key for name in (*own, manifest.name) if name not in listed}
            more |= {name: key for name in (f"{manifest.name}@{manifest.version}", model.name)}
        return cls({**more, **listed}, tuple(listed))

    def key(self, name: str | None) -> str:
        """The model of a name; the main one for None. Raises `ApiError` (404)."""
        if name is None:
            return MAIN
        if name in self.keys:
            return self.keys[name]
        message = (
            f"the model {name[:80]!r} does not exist: this server has {', '.join(self.listed)}; its option "
            "--load loads more, and --models adds names"
        )
        raise ApiError(404, message, code="model_not_found", param="model")


def _asked_for(bundle: str | None) -> tuple[str, ...]:
    """The name by which the main model was loaded; a path stays private."""
    if bundle is None:
        return (DEFAULT,)
    return (bundle,) if parse_reference(bundle) is not None else ()
