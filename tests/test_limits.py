"""docs/limits.md is true as far as text can be: the tests it names exist, its defaults are those of the schema."""

import ast
import json
import re

import pytest

from harness import ROOT

LINES = (ROOT / "docs/limits.md").read_text().splitlines()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in LINES if line.startswith("|")][2:]
LIMITS = [row for row in ROWS if not row[0].startswith("**")]


def test_the_table_is_whole():
    assert len(LIMITS) > 40
    assert all(len(row) == 5 for row in ROWS)
    assert all(row[4] for row in LIMITS), "a limit without a test"


@pytest.mark.parametrize("row", LIMITS, ids=lambda row: row[0])
def test_its_test_exists(row):
    named = row[4].strip("`")
    if "::" in named:
        file, function = named.split("::")
        tree = ast.parse((ROOT / file).read_text())
        assert function in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    else:
        file, name = named.split(" ")
        suite, test = name.split(".")
        assert re.search(rf"^TEST(_F|_P)?\({suite}, {test}\)", (ROOT / file).read_text(), re.MULTILINE)


SCHEMA = json.loads((ROOT / "docs/weir.schema.json").read_text())


def schema_of(path: str) -> dict:
    node = SCHEMA
    for key in path.split("."):
        for step in node.get("anyOf", []):
            node = {**node, **step} if "properties" in step or "items" in step else node
        node = node.get("items", node)
        if "$ref" in node:
            node = SCHEMA["$defs"][node["$ref"].rsplit("/", 1)[1]]
        node = node["properties"][key]
    return node


@pytest.mark.parametrize("row", [row for row in LIMITS if row[2]], ids=lambda row: row[2])
def test_its_default_is_that_of_the_schema(row):
    node = schema_of(row[2].strip("`"))
    first = row[1].split(" ")[0]
    assert str(node["default"]) == first if "default" in node else not first.isdigit()


def test_every_limit_that_can_be_set_is_listed():
    listed = {row[2].strip("`") for row in LIMITS}
    for section in ("server.limits", "server.timeouts", "providers.timeouts"):
        for key in schema_of(section)["properties"]:
            assert f"{section}.{key}" in listed
