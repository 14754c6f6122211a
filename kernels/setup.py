"""Build the plain shared library beside the package; no header of Python is needed, so that one
wheel serves every version of it.
"""

import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext


class Library(build_ext):
    """A shared library that ctypes loads, without the tag of an extension module in its name."""

    def get_ext_filename(self, fullname):
        return str(Path(*fullname.split("."))) + ".so"


class AnyPython(bdist_wheel):
    """A wheel for one platform and any Python 3."""

    def get_tag(self):
        return ("py3", "none", super().get_tag()[2])


FLAGS = ["-O3", "-std=c++17", "-Wno-psabi", "-fno-math-errno", "-pthread"]
LINKING = ["-pthread", *([] if sys.platform == "darwin" else ["-Wl,-s", "-ldl"])]


def library(name, source):
    """One shared library of the package."""
    return Extension(
        f"finereel_kernels.{name}",
        [f"src/{source}"],
        depends=["src/body.inc", "src/sets.h", "src/threads.h"],
        extra_compile_args=FLAGS,
        extra_link_args=LINKING,
    )


setup(
    ext_modules=[
        library("isa", "isa.cpp"),
        library("_scan", "scan.cpp"),
        library("_rows", "rows.cpp"),
    ],
    cmdclass={"build_ext": Library, "bdist_wheel": AnyPython},
)
