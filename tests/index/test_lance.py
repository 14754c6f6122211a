"""LanceDB without the client of its remote service."""

import subprocess
import sys

from finereel.index.lance import postpone


def test_the_client_is_imported_only_when_asked_for() -> None:
    code = (
        "import sys, finereel.index.lance\n"
        "client = 'lance_namespace_urllib3_client'\n"
        "assert client not in sys.modules or client + '.api' not in sys.modules\n"
        "module = __import__(client)\n"
        "assert module.BranchApi.__name__ == 'BranchApi' and client + '.api' in sys.modules\n"
        "assert not hasattr(module, 'no_such_name')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_package_that_is_absent_is_left_alone() -> None:
    postpone("no_such_package")
    assert "no_such_package" not in sys.modules
