"""Reads which protocol model and version the path of a request names."""

from typing import NamedTuple

from ...errors import VersionNotFound
from ...repository.scan import version_number
from ...requests import ModelSelector
from ..request_context import RequestContext
from . import protocol_model
from .protocol_model import ProtocolModel


class ModelPath(NamedTuple):
    """The protocol model that a path names.

    Attributes:
        name: its name, such as moons.forward.
        kind: which of the four models of a flow it is.
        selector: the flow and its version; the version is None if the path has none.
    """

    name: str
    kind: ProtocolModel
    selector: ModelSelector

    @classmethod
    def of(cls, request: RequestContext) -> "ModelPath":
        """The protocol model that the path of a request names.

        Raises:
            ModelNotFound: no flow has such a protocol model.
            VersionNotFound: the version is not a whole number.
        """
        parameters: dict[str, str] = request.scope["path_params"]
        name = parameters["model"]
        version = _parse_version(parameters.get("version"))
        flow, kind = protocol_model.parse_name(name)
        return cls(name, kind, ModelSelector(flow, version))


def _parse_version(text: str | None) -> int | None:
    if text is None:
        return None
    version = version_number(text)
    if version is None:
        raise VersionNotFound("a version is a whole number such as 1")
    return version
