"""Manifests against the models that kserve publishes of its resources: every field known, of its type, none missing.

Run in the environment of the clients: `runs/clients/bin/python tests/clients/manifests.py FILE...`
"""

import re
import sys
from pathlib import Path
from typing import Final

import kserve.models
import kubernetes.client
import yaml

PLAIN: Final = {"str": str, "int": int, "bool": bool, "float": float, "object": object}
NESTED: Final = re.compile(r"([Ll]ist\[|[Dd]ict[\[(]str, )(.*)[\])]")


def main() -> None:
    """Check each file; the first fault is an error."""
    for name in sys.argv[1:]:
        resource = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
        version = resource["apiVersion"].rpartition("/")[2].capitalize()
        check(resource, f"{version}{resource['kind']}", resource["kind"])
        print(f"{name}: {version}{resource['kind']}")


def check(value: object, kind: str, where: str) -> None:
    """The value is of this kind, as the published models describe it."""
    nested = NESTED.fullmatch(kind)
    if nested:
        items = value.items() if nested[1].lower().startswith("dict") else enumerate(value)
        for key, item in items:
            check(item, nested[2], f"{where}[{key}]")
    elif kind in PLAIN:
        assert isinstance(value, PLAIN[kind]), f"{where} is {type(value).__name__}, expected {kind}"
    else:
        check_fields(value, model_of(kind), where)


def check_fields(value: dict, model: type, where: str) -> None:
    """The value has only fields of the model, and those without which it is none."""
    if not isinstance(value, dict):
        # A quantity, or a port by number or name: text or a number.
        assert isinstance(value, str | int), where
        return
    fields = {shown: name for name, shown in model.attribute_map.items()}
    unknown = value.keys() - fields.keys()
    assert not unknown, f"{where} has {unknown}; {model.__name__} has {sorted(fields)}"
    for shown, item in value.items():
        check(item, model.openapi_types[fields[shown]], f"{where}.{shown}")
    # A generated model refuses to be made without a field that is required.
    model(**{fields[shown]: item for shown, item in value.items()})


def model_of(kind: str) -> type:
    """The generated class of a kind, of kserve's own or of Kubernetes."""
    for source in (kserve.models, kubernetes.client):
        if hasattr(source, kind):
            return getattr(source, kind)
    raise AssertionError(f"no model of {kind} is published")


if __name__ == "__main__":
    main()
