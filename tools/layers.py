#!/usr/bin/env python3
"""Checks that the house stands: what each folder of weir/ includes and names.

usage: layers.py [--root DIR]            the #includes and names of every file under weir/
       layers.py [--root DIR] --headers  every header compiles alone (clang++-19 -fsyntax-only)

The table is CMakeLists.txt itself: weir_folder(weir/x DEPS weir/a weir/b ...) says that files below weir/x may include
weir/x, weir/a and weir/b, and nothing else of the house. A subfolder without a line of its own belongs to its parent.

Text is read without comments and literals, by regular expressions: good enough to catch an honest mistake, no proof
against somebody who hides one.

A violation is one line, file:line: what is wrong, what is allowed. Exit code 1 if there is any.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

# Names that belong below the ports of weir/io: with them used elsewhere, the simulator could not stand in for the world.
FORBIDDEN_INCLUDES = [
    (r"boost/asio.*|sys/(socket|un|epoll|uio|eventfd|timerfd|signalfd)\.h|netinet/.*|arpa/.*|netdb\.h|poll\.h", "sockets: use weir/io/network.h"),
    (r"unistd\.h|fcntl\.h|sys/(stat|mman|file|types|wait)\.h|fstream|filesystem", "files and processes: use weir/io/disk.h"),
    (r"thread|mutex|shared_mutex|condition_variable|future|semaphore|barrier|latch|stop_token|pthread\.h",
     "threads and locks: one loop a core, shared state is atomic or an immutable snapshot"),
    (r"random", "random devices: use weir/io/random.h"),
    (r"time\.h|sys/time\.h", "clocks: use weir/base/clock.h"),
]
FORBIDDEN_NAMES = [
    (r"\b(steady|system|high_resolution|utc|file|tai|gps)_clock\s*::\s*now\b", "a clock: time comes from the loop"),
    (r"\b(std\s*::\s*time|::\s*time|(?<![\w:.>])time)\s*\(\s*(NULL|nullptr|0|&)", "a clock: time comes from the loop"),
    (r"\b(clock_gettime|gettimeofday|timespec_get)\b", "a clock: time comes from the loop"),
    (r"\bstd\s*::\s*(jthread|thread|async|mutex|shared_mutex|recursive_mutex|condition_variable\w*|lock_guard|unique_lock|scoped_lock)\b",
     "threads and locks: one loop a core, shared state is atomic or an immutable snapshot"),
    (r"\bstd\s*::\s*random_device\b|\bstd\s*::\s*s?rand\b|(?<![\w:.>])s?rand\s*\(", "a random device: use weir/io/random.h"),
    (r"\b(std\s*::\s*)?[io]?fstream\b|\bf(open|dopen|reopen)\s*\(", "a file: use weir/io/disk.h"),
    (r"\b(secure_)?getenv\s*\(", "the environment: settings are read in one place"),
    (r"\bthread_local\b", "thread_local state: give it an owner"),
]
# Uses that are right where they are, each with its reason. An entry that nothing needs any more is an error.
ALLOWED = {
    ("weir/quota/meter_table.h", "mutex"): "taken when an identity is made and by who looks at all budgets; never by a request",
    ("weir/quota/meter_table.h", "std::mutex"): "as above",
    ("weir/quota/meter_table.cc", "std::lock_guard"): "as above",
    ("weir/quota/agent_meters.h", "mutex"): "names come with requests; taken by those that name an agent where agents have limits, and by no other",
    ("weir/quota/agent_meters.h", "std::mutex"): "as above",
    ("weir/quota/agent_meters.cc", "std::lock_guard"): "as above",
    ("weir/admin/sign_in_limit.h", "mutex"): "taken when somebody comes with a wrong key, never with a right one",
    ("weir/admin/sign_in_limit.h", "std::mutex"): "as above",
    ("weir/admin/sign_in_limit.cc", "std::lock_guard"): "as above",
    ("weir/telemetry/metrics.h", "mutex"): "taken once a series and core, when it is made, and by the reader of /metrics; never on a sample",
    ("weir/telemetry/metrics.h", "std::mutex"): "as above",
    ("weir/telemetry/metrics.cc", "std::lock_guard"): "as above",
    ("weir/base/mutation.h", "planted_mutation"): "exists in the build with deliberate bugs only; set once, before anything runs",
    ("weir/embed/shared_library.cc", "fopen"): "reads a library's own headers before dlopen maps it, in the embedder's process, before its loop runs",
    ("weir/app/sim/command.cc", "crash_note"): "how the simulated world under way is replayed; a crash handler can reach nothing else",
    ("weir/app/embedder.cc", "thread"): "hardware_concurrency() is a number; no thread is started",
    ("weir/app/embedder.cc", "std::thread"): "as above",
}

# Only these may name a provider; everything else in the house meets them behind weir/upstream's own interfaces.
PROVIDER_USERS = ("weir/upstream/", "weir/app/adapters.")
PROVIDERS = "weir/upstream/provider/"

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
COMMENTS = re.compile(r'(?P<raw>R"(?P<d>[^\s()\\]{0,16})\(.*?\)(?P=d)")|(?P<str>"(?:\\.|[^"\\\n])*")'
                      r"|(?P<chr>'(?:\\[^\n']+|[^'\\\n])')|(?P<rem>//[^\n]*|/\*.*?\*/)", re.S)

# A variable that can change and outlives every call. Code inside namespaces is not indented here (clang-format), so
# column 0 is namespace scope; a function's own static stands anywhere.
DECLARATOR = (r"(?:(?:static|inline|constinit|const|unsigned|signed|long)\s+)*(?!class\b|struct\b|enum\b|union\b|namespace\b)"
              r"[\w:]+(?:\s*<[^;={}()]*>)?(?:::\w+)*[\s*&]+(?:const\s+)?(?P<name>\w+)\s*(?:\[[^\]]*\]\s*)*(?:=[^=]|\{|;)")
STATIC = re.compile(r"^[ \t]*(?=(?:static|inline|constinit)\s)" + DECLARATOR, re.M)
GLOBAL = re.compile(r"^(?!(?:using|template|typedef|return|extern|friend|concept|requires|static|inline|constinit|constexpr|consteval"
                    r"|public|private|protected|goto|case|default|co_return|co_await|throw|delete|else|do|if|operator)\b)" + DECLARATOR, re.M)


def is_const(declaration):
    """Of the variable itself: a pointer to const can be pointed elsewhere."""
    while (inner := re.sub(r"<[^<>]*>", "", declaration)) != declaration:
        declaration = inner
    return bool(re.search(r"\bconstexpr\b", declaration) or re.search(r"\bconst\b", declaration.rpartition("*")[2]))


def blank(match):
    """The same number of lines, nothing in them."""
    return "\n" * match.group().count("\n")


def without_comments(text):
    return COMMENTS.sub(lambda m: blank(m) if m.group("rem") else m.group(), text)


def without_literals(text):
    return COMMENTS.sub(lambda m: blank(m) if m.group("rem") else '""' + blank(m), text)


def is_test(path):
    name = path.rsplit("/", 1)[-1]
    return name.endswith(("_test.cc", "_test.h", "_testing.h")) or name.startswith("test_") or name == "testing.h"


class House:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.problems = []
        self.used = set()
        self.includes = 0
        text = re.sub(r"#[^\n]*", "", (self.root / "CMakeLists.txt").read_text(encoding="utf-8"))
        self.deps = {}
        for match in re.finditer(r"\bweir_folder\(\s*(\S+)\s+([^)]*)\)", text):
            words = match.group(2).split()
            deps = words[words.index("DEPS") + 1 :] if "DEPS" in words else []
            self.deps[match.group(1)] = deps[: deps.index("LIBS")] if "LIBS" in deps else deps
        if not self.deps:
            sys.exit("layers: CMakeLists.txt has no weir_folder() line")

    def folder_of(self, path):
        """The longest folder with a weir_folder line that holds the path, or None."""
        parts = path.split("/")
        for size in range(len(parts) - 1, 0, -1):
            if (folder := "/".join(parts[:size])) in self.deps:
                return folder
        return None

    def say(self, path, text, position, message):
        self.problems.append((path, text.count("\n", 0, position) + 1, message))

    def files(self, *suffixes):
        for base, folders, names in os.walk(self.root / "weir"):
            folders.sort()
            for name in sorted(names):
                if name.endswith(suffixes):
                    yield (pathlib.Path(base) / name).relative_to(self.root).as_posix()

    def allowed(self, path, word):
        if (path, word) in ALLOWED:
            self.used.add((path, word))
            return True
        return False

    def check(self):
        for path in self.files(".h", ".cc", ".inc"):
            raw = (self.root / path).read_text(encoding="utf-8", errors="replace")
            text = without_comments(raw)
            for match in INCLUDE.finditer(text):
                self.includes += 1
                self.check_include(path, text, match)
            if not path.startswith("weir/io/") and not is_test(path):
                self.check_names(path, INCLUDE.sub("", without_literals(raw)))
        for entry in sorted(set(ALLOWED) - self.used):
            self.problems.append((entry[0], 1, f"the exception for {entry[1]} in tools/layers.py is not needed any more"))

    def check_include(self, path, text, match):
        bracket, name = match.groups()
        at = match.start(2)
        if bracket == "<":
            if name.startswith("weir/"):
                self.say(path, text, at, f'<{name}>: the house is included with quotes')
            elif not path.startswith("weir/io/") and not is_test(path):
                for pattern, why in FORBIDDEN_INCLUDES:
                    if re.fullmatch(pattern, name) and not self.allowed(path, name):
                        self.say(path, text, at, f"<{name}> is not for {self.folder_of(path) or 'weir'}: {why}")
            return
        if not name.startswith("weir/"):
            return self.say(path, text, at, f'"{name}": an include path is a path of the repository (weir/...)')
        own, other = self.folder_of(path), self.folder_of(name)
        if own is None:
            return self.say(path, text, at, "this folder has no weir_folder line in CMakeLists.txt")
        if other is None:
            return self.say(path, text, at, f'"{name}": its folder has no weir_folder line in CMakeLists.txt')
        allowed = [own] + self.deps[own] + (["weir/io/net", "weir/io/sim"] if is_test(path) else [])
        if other not in allowed:
            self.say(path, text, at, f'"{name}": {own} may not include {other}, only {", ".join(allowed)}')
        if is_test(name) and not is_test(path):
            self.say(path, text, at, f'"{name}" is for tests')
        if name.startswith(PROVIDERS) and not path.startswith(PROVIDER_USERS):
            self.say(path, text, at, f'"{name}": a provider is named only in {" and ".join(p + "*" for p in PROVIDER_USERS)}')
        mine, theirs = self.stage_of(path), self.stage_of(name)
        if mine and theirs and mine != theirs:
            self.say(path, text, at, f'"{name}": the stage {mine} may not include the stage {theirs}; facts travel on the Exchange')

    def stage_of(self, path):
        """weir/pipeline/auth/x.h -> auth, for a folder that belongs to weir/pipeline."""
        parts = path.split("/")
        return parts[2] if parts[:2] == ["weir", "pipeline"] and len(parts) > 3 and self.folder_of(path) == "weir/pipeline" else None

    def check_names(self, path, text):
        for pattern, why in FORBIDDEN_NAMES:
            for match in re.finditer(pattern, text):
                word = re.sub(r"\s|\(.*", "", match.group())
                if not self.allowed(path, word):
                    self.say(path, text, match.start(), f"{word} is not for {self.folder_of(path) or 'weir'}: {why}")
        for pattern in (STATIC, GLOBAL):
            for match in pattern.finditer(text):
                name = match.group("name")
                if not is_const(match.group()) and not self.allowed(path, name):
                    self.say(path, text, match.start("name"), f"{name} is state that can change and that nobody owns: give it an owner, or make it const")

    def check_headers(self):
        """Each header as the whole of a program: it includes what it uses."""

        def compile_one(path):
            command = ["clang++-19", "-std=c++23", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-pragma-once-outside-header", "-Wno-missing-designated-field-initializers",
                       "-Wno-unused-const-variable", "-Wno-unused-function", "-march=x86-64-v2", '-DWEIR_VERSION="0"', "-I.", "-x", "c++", path]
            return path, subprocess.run(command, cwd=self.root, capture_output=True, text=True)

        count = 0
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for path, result in pool.map(compile_one, self.files(".h")):
                count += 1
                if result.returncode:
                    error = re.search(r"^(\S+?):(\d+):\d+: (?:fatal )?error: (.*)", result.stderr, re.M)
                    if error and error.group(1).removeprefix("./") == path:
                        self.problems.append((path, int(error.group(2)), f"does not compile alone: {error.group(3)}"))
                    else:
                        self.problems.append((path, 1, f"does not compile alone: {error.group() if error else result.stderr[:300]}"))
        return count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--headers", action="store_true")
    options = parser.parse_args()
    house = House(options.root)
    if options.headers:
        done = f"layers: {house.check_headers()} headers compile alone"
    else:
        house.check()
        done = f"layers: {house.includes} includes in {len(house.deps)} folders are as CMakeLists.txt allows"
    for path, line, message in sorted(set(house.problems)):
        print(f"{path}:{line}: {message}")
    if house.problems:
        print(f"layers: {len(set(house.problems))} violations")
        return 1
    print(done)
    return 0


if __name__ == "__main__":
    sys.exit(main())
