"""Writes the type stubs of the package: stubs.py GENERATED_MODULE > STUB

UniFFI's Python has its annotations inside, but makes errors and enums by assignments that no type
checker follows. This says the same in a form that they do.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterator
from pathlib import Path

# Of UniFFI's own, and what the package replaces.
HIDDEN = {"InternalError", "KeystoreImpl", "FootpostProtocol"}
CONVERTERS = {"String": "str", "Boolean": "bool", "Bytes": "bytes", "Float64": "float"}
HEAD = """\
# Made by stubs.py from what UniFFI has made.
import builtins
import enum
import typing
from datetime import timedelta as Duration
"""


def main(path: str) -> None:
    module = ast.parse(Path(path).read_text())
    classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    shown = [name for name in exported(module) if name not in HIDDEN]
    print(HEAD)
    for name in shown:
        print("\n".join(stub(name, module, classes)), end="\n\n")


def exported(module: ast.Module) -> list[str]:
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    raise SystemExit("the generated module exports nothing: has UniFFI changed?")


def stub(name: str, module: ast.Module, classes: dict[str, ast.ClassDef]) -> Iterator[str]:
    # Of an error there are two classes of the name: the second has the variants.
    same = [node for node in module.body if getattr(node, "name", None) == name]
    node = same[-1]
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield from function(node, "")
        return
    assert isinstance(node, ast.ClassDef)
    first = same[0]
    assert isinstance(first, ast.ClassDef)
    bases = [ast.unparse(base) for base in first.bases]
    variants = [inner for inner in node.body if isinstance(inner, ast.ClassDef)]
    is_error = bases == ["Exception"]
    kept = [base for base in bases if base in ("Exception", "enum.Enum")]
    yield f"class {name}({', '.join(kept)}):" if kept else f"class {name}:"
    yield from docstring(node, "    ")
    if kept == ["enum.Enum"]:
        for field in node.body:
            if isinstance(field, ast.Assign):
                yield f"    {ast.unparse(field)}"
        return
    fields = error_fields(name, classes) if is_error else {}
    for variant in variants:
        yield f"    class {variant.name}({name}):"
        yield from docstring(variant, "        ")
        yield from members(variant, "        ", fields.get(variant.name))
    yield from members(node, "    ", None)
    if is_error and any(method(inner, "explanation") for inner in variants):
        yield "    def explanation(self) -> str: ..."


def members(
    node: ast.ClassDef, indent: str, types: dict[str, str] | None
) -> Iterator[str]:
    """Fields, the constructor and methods of a class."""
    init = method(node, "__init__")
    arguments = init.args.args[1:] + init.args.kwonlyargs if init else []
    if init and arguments:
        for argument in arguments:
            kind = types[argument.arg] if types else annotation(argument)
            yield f"{indent}{argument.arg}: {kind}"
        if types:
            listed = ", ".join(f"{it.arg}: {types[it.arg]}" for it in arguments)
            yield f"{indent}def __init__(self, {listed}) -> None: ..."
        else:
            yield from function(init, indent)
    elif types is not None or (init and len(node.decorator_list) > 0):
        yield f"{indent}def __init__(self) -> None: ..."
    for inner in node.body:
        if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if not inner.name.startswith("_") and inner.name != "explanation":
                yield from function(inner, indent)


def function(node: ast.FunctionDef | ast.AsyncFunctionDef, indent: str) -> Iterator[str]:
    if any(ast.unparse(it) == "classmethod" for it in node.decorator_list):
        yield f"{indent}@classmethod"
    arguments = []
    positional = node.args.args
    defaults = [None] * (len(positional) - len(node.args.defaults)) + list(node.args.defaults)
    for argument, default in zip(positional, defaults):
        arguments.append(parameter(argument, default is not None))
    if node.args.kwonlyargs:
        arguments.append("*")
        for argument, keyword in zip(node.args.kwonlyargs, node.args.kw_defaults):
            arguments.append(parameter(argument, keyword is not None))
    # A class's own constructors give back whatever was asked, a subclass too.
    returns = qualified(node.returns) if node.returns else "None"
    if node.args.args and node.args.args[0].arg == "cls":
        returns = "typing.Self"
    keyword = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    yield f"{indent}{keyword} {node.name}({', '.join(arguments)}) -> {returns}:"
    doc = list(docstring(node, indent + "    "))
    yield from doc
    yield f"{indent}    ..."


def parameter(argument: ast.arg, has_default: bool) -> str:
    if argument.annotation is None:
        return argument.arg
    return f"{argument.arg}: {annotation(argument)}" + (" = ..." if has_default else "")


def annotation(argument: ast.arg) -> str:
    """Without the placeholder by which UniFFI recognises an argument that was not given."""
    assert argument.annotation is not None
    kind = argument.annotation
    if isinstance(kind, ast.Subscript) and isinstance(kind.slice, ast.Tuple):
        kinds = [it for it in kind.slice.elts if ast.unparse(it) != "object"]
        if len(kinds) == 1:
            return qualified(kinds[0])
    return qualified(kind)


def qualified(kind: ast.expr) -> str:
    """A field may be called `bytes`, and then hide the type."""

    class Qualify(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            if hasattr(builtins, node.id):
                return ast.parse(f"builtins.{node.id}", mode="eval").body
            return node

    return ast.unparse(Qualify().visit(kind))


def error_fields(name: str, classes: dict[str, ast.ClassDef]) -> dict[str, dict[str, str]]:
    """The fields of an error's variants: their types show in what checks them."""
    fields: dict[str, dict[str, str]] = {}
    check = method(classes[f"_UniffiFfiConverterType{name}"], "check_lower")
    assert check
    for branch in check.body:
        if isinstance(branch, ast.If):
            variant = ast.unparse(branch.test).removesuffix(")").rsplit(".", 1)[1]
            fields[variant] = {}
            for line in branch.body:
                if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call):
                    converter = ast.unparse(line.value.func).split(".")[0]
                    kind = converter.removeprefix("_UniffiFfiConverter")
                    field = ast.unparse(line.value.args[0]).removeprefix("value.")
                    fields[variant][field] = type_of(kind)
    return fields


def type_of(converter: str) -> str:
    if converter.startswith("Type"):
        return converter.removeprefix("Type")
    if converter.startswith(("UInt", "Int")):
        return "builtins.int"
    return f"builtins.{CONVERTERS[converter]}"


def method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    found = [it for it in node.body if isinstance(it, ast.FunctionDef) and it.name == name]
    return found[-1] if found else None


def docstring(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, indent: str) -> Iterator[str]:
    doc = ast.get_docstring(node)
    if doc:
        lines = "\n".join(indent + line if line else "" for line in doc.splitlines())
        yield f'{indent}"""{lines.lstrip()}"""'


main(sys.argv[1])
