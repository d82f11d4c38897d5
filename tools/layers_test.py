#!/usr/bin/env python3
"""layers.py on small trees: one violation each, found at its line and nothing else; a clean tree, found clean."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

LAYERS = pathlib.Path(__file__).resolve().parent / "layers.py"

CMAKE = """
# weir_folder(weir/ghost DEPS weir/app) in a comment is no folder
weir_folder(weir/base DEPS LIBS fmt::fmt)
weir_folder(weir/io DEPS weir/base)
weir_folder(weir/io/net DEPS weir/base weir/io LIBS Threads::Threads)
weir_folder(weir/exchange DEPS weir/base weir/io)
weir_folder(weir/pipeline DEPS weir/base weir/exchange)
weir_folder(weir/upstream DEPS weir/base weir/io weir/exchange)
weir_folder(weir/app DEPS weir/base weir/io weir/io/net weir/exchange
            weir/pipeline weir/upstream)
"""

# A house in which every kind of thing that is allowed occurs.
CLEAN = {
    "weir/base/clock.h": '#pragma once\n#include <string>\nnamespace weir {\ninline constexpr int kLimit = 3;\nstruct Clock {};\n}\n',
    "weir/base/clock.cc": '#include "weir/base/clock.h"\n// #include "weir/app/main.h" and std::mutex in a comment\n'
    'static const char* const kText = "std::thread, getenv(x), fopen(";\nstatic constexpr int kSize = 1\'000;\n'
    "static int twice(int x) {\n  static const int kTwo = 2;\n  return kTwo * x;\n}\nint again(int x) { return twice(x); }\n"
    'const char* raw() { return R"(static int hidden = 0; std::mutex)"; }\n',
    "weir/base/clock_test.cc": '#include <fstream>\n#include <thread>\n#include "weir/base/clock.h"\n#include "weir/io/net/runtime.h"\nstatic int count = 0;\n',
    "weir/io/loop.h": '#include <sys/socket.h>\n#include "weir/base/clock.h"\n',
    "weir/io/net/runtime.h": '#include <sys/epoll.h>\n#include <mutex>\n#include "weir/io/loop.h"\nthread_local int depth = 0;\n',
    "weir/exchange/stage.h": '#include "weir/io/loop.h"\nstruct Stage {\n  static Stage make();\n  int lifetime(int x) { return x; }\n  int time(int);\n};\n',
    "weir/pipeline/auth/auth.h": '#include "weir/exchange/stage.h"\n',
    "weir/pipeline/auth/auth.cc": '#include "weir/pipeline/auth/auth.h"\n',
    "weir/pipeline/route/route.h": '#include "weir/base/clock.h"\n',
    "weir/pipeline/pipeline.cc": '#include "weir/pipeline/auth/auth.h"\n#include "weir/pipeline/route/route.h"\n',
    "weir/upstream/dispatcher.cc": '#include "weir/upstream/provider/openai.h"\n',
    "weir/upstream/provider/openai.h": "#include <string>\n",
    "weir/app/adapters.cc": '#include "weir/upstream/provider/openai.h"\n#include "weir/io/net/runtime.h"\n',
    "weir/app/testing.h": '#include <unistd.h>\n',
}

# What is wrong, the file that is added or replaced, the line it must name, a word of the message.
VIOLATIONS = [
    ("an include upwards", "weir/base/bad.h", '#pragma once\n\n#include "weir/io/loop.h"\n', 3, "weir/base may not include weir/io"),
    ("an include of a neighbour not in the list", "weir/exchange/bad.cc", '#include "weir/pipeline/pipeline.h"\n', 1, "may not include weir/pipeline"),
    ("the real loop above io", "weir/pipeline/bad.cc", '\n#include "weir/io/net/runtime.h"\n', 2, "may not include weir/io/net"),
    ("a test that reaches too far", "weir/base/bad_test.cc", '#include "weir/exchange/stage.h"\n', 1, "may not include weir/exchange"),
    ("a stage that includes a stage", "weir/pipeline/auth/bad.cc", '#include "weir/pipeline/route/route.h"\n', 1, "the stage auth may not include the stage route"),
    ("a provider named elsewhere", "weir/app/gateway.cc", '#include "weir/upstream/provider/openai.h"\n', 1, "a provider is named only in"),
    ("a folder without a line", "weir/stray/bad.cc", '#include "weir/base/clock.h"\n', 1, "no weir_folder line"),
    ("a relative include", "weir/base/bad.cc", '#include "clock.h"\n', 1, "path of the repository"),
    ("the house in angle brackets", "weir/base/bad.cc", "#include <weir/base/clock.h>\n", 1, "with quotes"),
    ("a test's header in the product", "weir/app/bad.cc", '#include "weir/app/testing.h"\n', 1, "is for tests"),
    ("an include after a raw string", "weir/base/bad.cc", 'const auto s = R"(/*)";\n#include "weir/app/app.h"\n', 2, "may not include weir/app"),
    ("Asio", "weir/exchange/bad.cc", "#include <boost/asio/ip/tcp.hpp>\n", 1, "sockets"),
    ("a socket header", "weir/app/bad.cc", "#include <sys/socket.h>\n", 1, "sockets"),
    ("another socket header", "weir/app/bad.cc", "#include <netinet/tcp.h>\n", 1, "sockets"),
    ("unistd.h", "weir/app/bad.cc", "#include <unistd.h>\n", 1, "files and processes"),
    ("fcntl.h", "weir/upstream/bad.cc", "#include <fcntl.h>\n", 1, "files and processes"),
    ("a thread header", "weir/exchange/bad.cc", "#include <thread>\n", 1, "threads and locks"),
    ("a lock header", "weir/exchange/bad.cc", "#include <mutex>\n", 1, "threads and locks"),
    ("a stream header", "weir/base/bad.cc", "#include <fstream>\n", 1, "weir/io/disk.h"),
    ("a clock", "weir/base/bad.cc", "auto f() {\n  return std::chrono::steady_clock::now();\n}\n", 2, "a clock"),
    ("the C clock", "weir/base/bad.cc", "long f() { return time(nullptr); }\n", 1, "a clock"),
    ("clock_gettime", "weir/base/bad.cc", "void f() { clock_gettime(0, nullptr); }\n", 1, "a clock"),
    ("a thread", "weir/base/bad.cc", "void f() { std::thread t; }\n", 1, "threads and locks"),
    ("a lock", "weir/base/bad.cc", "struct S {\n  std::mutex m;\n};\n", 2, "threads and locks"),
    ("a random device", "weir/base/bad.cc", "std::random_device d();\n", 1, "random device"),
    ("rand", "weir/base/bad.cc", "int f() { return std::rand(); }\n", 1, "random device"),
    ("a file", "weir/base/bad.cc", 'void f() { fopen("x", "r"); }\n', 1, "a file"),
    ("the environment", "weir/base/bad.cc", 'auto f() { return std::getenv("X"); }\n', 1, "the environment"),
    ("thread_local", "weir/base/bad.cc", "void f() {\n  thread_local const int x = 1;\n}\n", 2, "thread_local"),
    ("a global", "weir/base/bad.cc", "#include <string>\n\nint counter = 0;\n", 3, "counter is state"),
    ("a global of a class", "weir/base/bad.cc", "std::vector<int> all;\n", 1, "all is state"),
    ("a global view that can be reseated", "weir/base/bad.cc", 'std::string_view kText = "x";\n', 1, "kText is state"),
    ("a static global", "weir/base/bad.cc", "static std::map<int, int> cache;\n", 1, "cache is state"),
    ("an array", "weir/base/bad.cc", "static int table[4] = {};\n", 1, "table is state"),
    ("an atomic global", "weir/base/bad.cc", "inline std::atomic<int> live{0};\n", 1, "live is state"),
    ("a static of a function", "weir/base/bad.cc", "int f() {\n  static int calls = 0;\n  return ++calls;\n}\n", 2, "calls is state"),
    ("a pointer to const", "weir/base/bad.cc", 'static const char* text = "x";\n', 1, "text is state"),
]


def run(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "CMakeLists.txt").write_text(CMAKE, encoding="utf-8")
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        # Without the repository's own exceptions, which name files that these trees do not have.
        code = f"import sys; sys.path.insert(0, {str(LAYERS.parent)!r}); import layers; layers.ALLOWED.clear(); sys.argv[1:] = ['--root', {folder!r}]; sys.exit(layers.main())"
        result = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True)
        return result.returncode, result.stdout.splitlines(), result.stderr


class LayersTest(unittest.TestCase):
    def test_a_clean_tree_is_clean(self):
        code, lines, errors = run(CLEAN)
        self.assertEqual((code, errors), (0, ""), lines)
        self.assertEqual(len(lines), 1, lines)

    def test_each_violation_is_found_at_its_line_and_alone(self):
        for what, path, text, line, word in VIOLATIONS:
            with self.subTest(what):
                code, lines, errors = run(CLEAN | {path: text})
                self.assertEqual((code, errors), (1, ""), lines)
                self.assertEqual(len(lines), 2, lines)
                self.assertTrue(lines[0].startswith(f"{path}:{line}: "), lines[0])
                self.assertIn(word, lines[0])

    def test_an_exception_that_nothing_needs_is_an_error(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "weir/base").mkdir(parents=True)
            (root / "CMakeLists.txt").write_text(CMAKE, encoding="utf-8")
            (root / "weir/base/a.cc").write_text("int f();\n", encoding="utf-8")
            result = subprocess.run([sys.executable, "-B", str(LAYERS), "--root", folder], capture_output=True, text=True)
            self.assertEqual(result.returncode, 1)
            self.assertIn("is not needed any more", result.stdout)

    def test_headers_must_compile_alone(self):
        good = {"weir/base/good.h": "#pragma once\n#include <string>\ninline std::string f() { return {}; }\n"}
        for files, expected in ((good, 0), (good | {"weir/base/bad.h": "#pragma once\n\ninline std::string g();\n"}, 1)):
            with tempfile.TemporaryDirectory() as folder:
                root = pathlib.Path(folder)
                (root / "CMakeLists.txt").write_text(CMAKE, encoding="utf-8")
                for name, text in files.items():
                    (root / name).parent.mkdir(parents=True, exist_ok=True)
                    (root / name).write_text(text, encoding="utf-8")
                result = subprocess.run([sys.executable, "-B", str(LAYERS), "--root", folder, "--headers"], capture_output=True, text=True)
                self.assertEqual(result.returncode, expected, result.stdout)
                self.assertEqual("weir/base/bad.h:3: does not compile alone" in result.stdout, bool(expected), result.stdout)


if __name__ == "__main__":
    unittest.main()
