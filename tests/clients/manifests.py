"""Checks Kubernetes manifests against the models that kserve publishes: fields are known, complete and of their type.

Run in the environment of the clients: `runs/clients/bin/python tests/clients/manifests.py FILE...`
"""

import re
import sys
from pathlib import Path
from typing import Final, Protocol

import kserve.models
import kubernetes.client
import yaml

PLAIN: Final = {"str": str, "int": int, "bool": bool, "float": float, "object": object}
NESTED: Final = re.compile(r"([Ll]ist\[|[Dd]ict[\[(]str, )(.*)[\])]")


class Model(Protocol):
    """A class that the OpenAPI generator made for a resource."""

    __name__: str
    attribute_map: dict[str, str]  # Python name -> name in the manifest
    openapi_types: dict[str, str]  # Python name -> type

    def __call__(self, **fields: object) -> object:
        """Makes the resource; raises ValueError if a required field is missing."""
        ...


def main() -> None:
    """Check each file. The first wrong field raises AssertionError."""
    for name in sys.argv[1:]:
        resource = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
        version = resource["apiVersion"].rpartition("/")[2].capitalize()
        check(resource, f"{version}{resource['kind']}", resource["kind"])
        print(f"{name}: {version}{resource['kind']}")


def check(value: object, kind: str, where: str) -> None:
    """The value has this type, as the published models describe it."""
    nested = NESTED.fullmatch(kind)
    if nested:
        mapping = nested[1].lower().startswith("dict")
        assert isinstance(value, dict if mapping else list), f"{where} is {type(value).__name__}, expected {kind}"
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            check(item, nested[2], f"{where}[{key}]")
    elif kind in PLAIN:
        assert isinstance(value, PLAIN[kind]), f"{where} is {type(value).__name__}, expected {kind}"
    else:
        check_fields(value, model_of(kind), where)


def check_fields(value: object, model: Model, where: str) -> None:
    """The value has only fields of the model, and all its required fields."""
    if not isinstance(value, dict):
        # A quantity, or a port as number or name, is written as text or a number.
        assert isinstance(value, str | int), where
        return
    fields = {shown: name for name, shown in model.attribute_map.items()}
    unknown = value.keys() - fields.keys()
    assert not unknown, f"{where} has {unknown}; {model.__name__} has {sorted(fields)}"
    for shown, item in value.items():
        check(item, model.openapi_types[fields[shown]], f"{where}.{shown}")
    # A generated model raises ValueError without a required field.
    model(**{fields[shown]: item for shown, item in value.items()})


def model_of(kind: str) -> Model:
    """The generated class of this kind, from kserve or from Kubernetes."""
    for source in (kserve.models, kubernetes.client):
        if hasattr(source, kind):
            model: Model = getattr(source, kind)
            return model
    raise AssertionError(f"neither kserve nor Kubernetes publishes a model of {kind}")


if __name__ == "__main__":
    main()
