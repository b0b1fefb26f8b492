"""How a broken rule of a proto is told: the field it is about, and what would be right."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

UNSET = 0
"""Every enum's value for a field that nobody has set."""

_ENUM_RULES = ("enum.not_in", "enum.defined_only")


def field_of(violation: Any) -> str:
    """The path of a `buf.validate.Violation`, as `rows[2].row_id`; "" is the message itself."""
    return "".join(map(_path_element, _elements(violation)))[1:]


def told(violation: Any, message: Message) -> str:
    """What is wrong in `message`. protovalidate gives numbers where an enum has names."""
    if violation.rule_id in _ENUM_RULES:
        enum = _field(message.DESCRIPTOR, violation)
        if enum is not None and enum.enum_type is not None:
            names = (value.name for value in enum.enum_type.values if value.number != UNSET)
            return f"must be one of {', '.join(names)}"
    text: str = violation.message or violation.rule_id
    return text


def _field(descriptor: Any, violation: Any) -> FieldDescriptor | None:
    """The field at the end of a path; None if it is a oneof or in a map."""
    field = None
    for element in _elements(violation):
        field = descriptor.fields_by_name.get(element.field_name)
        if field is None:
            return None
        descriptor = field.message_type or descriptor
    return field


def _elements(violation: Any) -> Any:
    return () if violation.field is None else violation.field.elements


def _path_element(element: Any) -> str:
    subscript = element.subscript
    return f".{element.field_name}" + ("" if subscript is None else f"[{subscript.value}]")
