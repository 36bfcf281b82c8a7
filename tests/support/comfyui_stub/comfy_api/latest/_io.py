# ruff: noqa: A002, N802 - ComfyUI's names
"""Schemas of nodes; `ComfyNode.GET_SCHEMA` refuses what ComfyUI or its page would stumble over."""

import inspect
import re
from dataclasses import dataclass

ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
CATEGORY = re.compile(r"[^/]+(/[^/]+)*")
WIDGET = ("default", "socketless", "force_input")
NUMBER = (*WIDGET, "min", "max", "step", "display_mode")
KEYWORDS = {
    "INT": (*NUMBER, "control_after_generate"),
    "FLOAT": (*NUMBER, "round"),
    "STRING": (*WIDGET, "multiline", "placeholder", "dynamic_prompts"),
    "COMBO": ("options", "default", "control_after_generate", "upload", "image_folder", "remote",
              "socketless"),
}  # fmt: skip
"""What the inputs of each type take beside what all take."""
TYPES = {"INT": int, "FLOAT": float, "STRING": str, "COMBO": str}


class Input:
    io_type = None

    def __init__(self, id, *, display_name=None, optional=False, tooltip=None, lazy=None, **more):
        if unknown := more.keys() - set(KEYWORDS.get(self.io_type, ("extra_dict",))):
            raise TypeError(f"an input of {self.io_type} takes no {unknown}")
        self.id, self.display_name, self.optional = id, display_name, optional
        self.tooltip, self.lazy, self.more = tooltip, lazy, more

    def faults(self):
        if not (isinstance(self.id, str) and ID.fullmatch(self.id)):
            yield f"the id {self.id!r} is no identifier"
        if not isinstance(self.optional, bool):
            yield f"{self.id}: optional is no bool"
        for value in (self.display_name, self.tooltip):
            if not (value is None or (isinstance(value, str) and value.strip())):
                yield f"{self.id}: {value!r} is no text"
        if wanted := TYPES.get(self.io_type):
            for name in ("default", "min", "max", "step"):
                value = self.more.get(name)
                if type(value) is not wanted and (value is not None or name == "default"):
                    yield f"{self.id}: {name} {value!r} is no {wanted.__name__}"
        if self.io_type in ("INT", "FLOAT"):
            yield from self._faults_of_range()
        if self.io_type == "COMBO":
            yield from self._faults_of_options()

    def _faults_of_range(self):
        default = self.more["default"]
        low, high = self.more.get("min", default), self.more.get("max", default)
        if not low <= default <= high:
            yield f"{self.id}: the default {default} is not in [{low}, {high}]"
        if self.more.get("step", 1) <= 0:
            yield f"{self.id}: step is not above 0"

    def _faults_of_options(self):
        options = self.more.get("options") or []
        if not options or len(set(options)) != len(options):
            yield f"{self.id}: the options {options} are none, or repeat"
        if not all(isinstance(each, str) and each for each in options):
            yield f"{self.id}: an option is no text"
        if self.more.get("default") not in options:
            yield f"{self.id}: the default is no option"

    def told(self):
        """What the page gets to know."""
        values = {"display_name": self.display_name, "tooltip": self.tooltip, **self.more}
        return self.io_type, {key: value for key, value in values.items() if value is not None}


class Output:
    io_type = None

    def __init__(self, id=None, display_name=None, tooltip=None, is_output_list=False):
        self.id, self.display_name = id, display_name
        self.tooltip, self.is_output_list = tooltip, is_output_list


def _type(name):
    made = {base.__name__: type(base.__name__, (base,), {"io_type": name})
            for base in (Input, Output)}  # fmt: skip
    return type(name.title(), (), {"io_type": name, **made})


Image, Mask, Int, Float, String, Combo = map(
    _type, ("IMAGE", "MASK", "INT", "FLOAT", "STRING", "COMBO")
)


@dataclass
class Schema:
    node_id: str
    display_name: str = None
    category: str = "sd"
    inputs: list = None
    outputs: list = None
    hidden: list = None
    description: str = ""
    is_input_list: bool = False
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    is_api_node: bool = False
    not_idempotent: bool = False
    enable_expand: bool = False

    def faults(self, node):
        inputs, outputs = self.inputs or [], self.outputs or []
        if not ID.fullmatch(self.node_id):
            yield f"the node_id {self.node_id!r} is no identifier"
        if not (self.display_name and self.description and CATEGORY.fullmatch(self.category)):
            yield "display_name, description or category is missing"
        ids = [each.id for each in (*inputs, *outputs)]
        if len(set(ids)) != len(ids):
            yield f"ids are not unique: {ids}"
        if not outputs and not self.is_output_node:
            yield "there is no output"
        for each in inputs:
            if not isinstance(each, Input) or each.io_type is None:
                yield f"{each} is no input"
            else:
                yield from each.faults()
        for each in outputs:
            if not isinstance(each, Output) or not (each.id and ID.fullmatch(each.id)):
                yield f"the output {each.id!r} is none, or its id no identifier"
        order = [each.optional for each in inputs]
        if order != sorted(order):
            yield "an optional input comes before a required one"
        yield from _unfitting(inspect.signature(node.execute), inputs)


def _unfitting(signature, inputs):
    """Names the inputs that `execute` does not take, or takes and does not get."""
    parameters = signature.parameters.values()
    open_ended = any(each.kind is each.VAR_KEYWORD for each in parameters)
    named = {each.name: each for each in parameters if each.kind is not each.VAR_KEYWORD}
    for each in inputs:
        if each.id not in named:
            if not open_ended:
                yield f"execute does not take {each.id}"
        elif each.optional and named[each.id].default is inspect.Signature.empty:
            yield f"{each.id} is optional, and execute needs it"
    for name in named.keys() - {each.id for each in inputs}:
        yield f"execute takes {name}, which is no input"


class ComfyNode:
    @classmethod
    def define_schema(cls):
        raise NotImplementedError

    @classmethod
    def execute(cls, **inputs):
        raise NotImplementedError

    @classmethod
    def GET_SCHEMA(cls):
        schema = cls.define_schema()
        if faults := list(schema.faults(cls)):
            raise ValueError("; ".join(faults))
        return schema

    @classmethod
    def INPUT_TYPES(cls):
        told = {"required": {}}
        for each in cls.GET_SCHEMA().inputs:
            told.setdefault("optional" if each.optional else "required", {})[each.id] = each.told()
        return told


class NodeOutput:
    def __init__(self, *args, ui=None, expand=None, block_execution=None):
        self.args, self.ui, self.expand, self.block_execution = args, ui, expand, block_execution

    @property
    def result(self):
        return self.args or None
