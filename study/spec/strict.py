"""What all models of the study file share: unknown keys are refused, short forms are understood."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from trainables.names import unknown_name


class Strict(BaseModel):
    """Unknown keys are refused with the nearest valid one; a bare string may stand for `{shorthand: string}`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    shorthand: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        if isinstance(values, str) and cls.shorthand:
            values = {cls.shorthand: values}
        if isinstance(values, dict) and cls.model_config.get("extra") == "forbid":
            for key in values:
                if key not in cls.model_fields:
                    raise PlacedError((key,), unknown_name("key", key, cls.model_fields, "keys"))
        return values

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        schema = handler(core_schema)
        if cls.shorthand is None:
            return schema
        annotation = cls.model_fields[cls.shorthand].annotation
        names = {"enum": list(get_args(annotation))} if get_origin(annotation) is Literal else {}
        return {"anyOf": [{"type": "string", **names}, handler.resolve_ref_schema(schema)]}


class ByName(Strict):
    """Something by its name, with options that its kind knows: those are checked there, and lie in `model_extra`."""

    model_config = ConfigDict(extra="allow")
    shorthand = "name"
    name: str


class PlacedError(ValueError):
    """Something wrong below the model that found it: `path` leads there from the model."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


class OneOrMany:
    """A list that may be written as its only element."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: value if isinstance(value, list) else [value], handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


def named(value: Any) -> Any:
    """`cosine` as `{name: cosine}`."""
    return {"name": value} if isinstance(value, str) else value


def without_repeats(what: str, values: list[Any]) -> list[Any]:
    """The values as they are; ValueError where one stands twice."""
    for index, value in enumerate(values):
        if value in values[:index]:
            raise ValueError(f"{what} {value} is named twice")
    return values
