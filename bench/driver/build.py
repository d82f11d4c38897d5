"""Builds what a measurement needs: weir in release mode, and the bench's own two programs."""
import os
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(ROOT, "build", "bench")  # everything the bench makes


def run(argv, **options):
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} failed:\n{done.stdout[-3000:]}")


def weir():
    """The path of the program to measure: $WEIR_BINARY, else build/release/weir, brought up to date."""
    given = os.environ.get("WEIR_BINARY")
    if given:
        return given
    if os.path.exists(os.path.join(ROOT, "scripts", "build")):
        run(["scripts/build", "release", "weir"])
    else:
        run(["cmake", "--preset", "release"])
        run(["ninja", "-C", "build/release", "weir"])
    return os.path.join(ROOT, "build", "release", "weir")


def tool(name):
    """bench/tools/NAME.cc as a program. Not part of the CMake build: it shares no code with weir."""
    os.makedirs(FOLDER, exist_ok=True)
    source = os.path.join(ROOT, "bench", "tools", f"{name}.cc")
    header = os.path.join(ROOT, "bench", "tools", "tool.h")
    program = os.path.join(FOLDER, name)
    newest = max(os.path.getmtime(source), os.path.getmtime(header))
    if not os.path.exists(program) or os.path.getmtime(program) < newest:
        run(["clang++-19", "-std=c++23", "-O2", "-g1", "-Wall", "-Wextra", "-o", f"{program}.new.{os.getpid()}", source])
        os.replace(f"{program}.new.{os.getpid()}", program)
    return program


def need_yardsticks():
    """nginx, the proxy weir is compared with."""
    if not shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
        run(["scripts/setup", "--bench"])
