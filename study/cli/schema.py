"""study schema"""

from __future__ import annotations

from study.cli.output import AsJson, print_json


def schema(as_json: AsJson = True) -> None:
    """Print the JSON Schema of a study file (always JSON).

    Example: study schema > schema.json
    """
    from study.spec import json_schema

    print_json(json_schema())
