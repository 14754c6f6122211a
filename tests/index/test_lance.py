"""LanceDB without the client of its remote service, which is there once somebody asks for it."""

import subprocess
import sys

CLIENT = "lance_namespace_urllib3_client"


def test_the_client_is_imported_only_when_it_is_used() -> None:
    code = f"""
import sys, finereel.index.lance, lance_namespace
assert "{CLIENT}.api" not in sys.modules and "pydantic.main" in sys.modules
made = lance_namespace.ListTablesRequest(limit=3)
assert made.limit == 3 and type(made).__module__.startswith("{CLIENT}.models"), type(made)
import {CLIENT}
assert {CLIENT}.BranchApi.__name__ == "BranchApi" and "{CLIENT}.api" in sys.modules
assert not hasattr({CLIENT}, "no_such_name")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
