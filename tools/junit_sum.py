#!/usr/bin/env python3
"""Prints the sum of a JUnit report: "passed failed" on the first line, then the name of each failure.

usage: junit_sum.py REPORT.xml

Reads ctest's and pytest's dialects. Skipped, disabled and not-run tests count as neither, except those that ctest could
not start ("fail" by status or a missing program), which are failures.
"""
import sys
import xml.etree.ElementTree as ElementTree


def main(path):
    passed, failures = 0, []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        skipped = case.find("skipped")
        # A program that was not built is "skipped: Required Files Missing" or "Unable to find executable" to ctest.
        not_started = case.get("status") == "notrun" and skipped is not None and "SKIP" not in skipped.get("message", "")
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail" or not_started:
            failures.append((case.get("classname") or "") + " " + (case.get("name") or ""))
        elif skipped is None and case.get("status") != "disabled":
            passed += 1
    print(passed, len(failures))
    for failure in failures:
        print(failure.strip())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
