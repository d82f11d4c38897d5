#!/usr/bin/env python3
"""Takes the pictures of docs/console.md from a weir with real traffic (tools/console_demo.py), in Debian's Chromium.

usage: console_shots.py [--weir build/release/weir] [--minutes 12] [--out docs/console]
       console_shots.py --url http://127.0.0.1:8080 --key KEY     of a weir that runs already
"""

import argparse
import os
import pathlib
import shutil
import sys
import tempfile
import threading

from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

BYTES_MAX = 300_000
WIDE, NARROW = {"width": 1280, "height": 860}, {"width": 390, "height": 780}


def take(url: str, key: str, out: pathlib.Path, span: str) -> None:
    out.mkdir(parents=True, exist_ok=True)

    def picture(page, name):
        page.mouse.move(2, 2)
        page.wait_for_load_state("load")
        page.wait_for_function("document.querySelectorAll('[aria-label=Loading]').length === 0")
        file = out / f"{name}.png"
        page.screenshot(path=str(file))
        print(f"{file}  {file.stat().st_size} bytes")
        if file.stat().st_size > BYTES_MAX:
            sys.exit(f"{file} is larger than {BYTES_MAX} bytes")

    def go(page, path, wait):
        page.goto(f"{url}/console/{path}")
        page.get_by_text(wait).first.wait_for()
        page.get_by_text("live", exact=True).wait_for(state="attached")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])

        def tab(size, theme):
            context = browser.new_context(viewport=size, color_scheme=theme)
            page = context.new_page()
            page.goto(f"{url}/console/")
            page.get_by_label("Key", exact=True).fill(key)
            page.keyboard.press("Enter")
            page.get_by_role("heading", name="Overview").wait_for()
            return page

        page = tab(WIDE, "light")
        go(page, f"overview?range={span}", "Last failures")
        picture(page, "overview")
        go(page, f"models?range={span}", "Model and endpoint")
        page.locator("tbody tr a").first.click()
        page.get_by_text("Duration, requests by time").wait_for()
        picture(page, "models")
        go(page, f"requests?range={span}", "The newest first")
        picture(page, "requests")
        go(page, f"requests?range={span}&ending=ok&slower=600", "The newest first")
        page.locator("tbody tr a").nth(1).click()
        page.get_by_text("Stage by stage").wait_for()
        picture(page, "request")
        go(page, "tenants", "The nearest to a limit first")
        page.get_by_text("no budget").or_(page.get_by_role("meter")).first.wait_for()
        picture(page, "tenants")
        if page.locator("tbody tr a").count():
            page.locator("tbody tr a").first.click()
            page.get_by_role("heading", name="Keys").wait_for()
            page.get_by_role("button", name="Change limits").wait_for()
            picture(page, "tenant")
        go(page, "playground", "Compare with")
        page.get_by_label("Compare with").select_option(index=2)
        page.get_by_role("button", name="Ask", exact=True).click()
        page.get_by_text("whole", exact=True).nth(1).wait_for()
        picture(page, "playground")
        go(page, "settings", "Secrets are masked")
        page.get_by_label("Configuration to check").fill("server:\n  listen: 127.0.0.1:8080\n  drain_ms: soon\nproviders:\n  - name: openai\n    kind: openai\n    colour: blue\n")
        page.get_by_role("button", name="Check").click()
        page.get_by_text("It would be refused").wait_for()
        picture(page, "settings")
        go(page, f"alerts?range={span}", "How well everybody was served")
        page.get_by_role("button", name="Save as CSV").wait_for()
        page.locator("section[aria-label='How well everybody was served'] tbody tr").first.wait_for()
        picture(page, "alerts")
        page = tab(WIDE, "dark")
        go(page, f"alerts?range={span}", "How well everybody was served")
        page.locator("section[aria-label='How well everybody was served'] tbody tr").first.wait_for()
        picture(page, "alerts-dark")
        go(page, f"overview?range={span}", "Last failures")
        picture(page, "overview-dark")
        page = tab(NARROW, "light")
        go(page, f"overview?range={span}", "Last failures")
        picture(page, "overview-390")
        go(page, f"requests?range={span}&failed=1", "Filter")
        page.locator("tbody tr").first.wait_for()
        picture(page, "requests-390")
        go(page, f"alerts?range={span}", "How well everybody was served")
        page.locator("section[aria-label='How well everybody was served'] tbody tr").first.wait_for()
        picture(page, "alerts-390")
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", default=os.environ.get("WEIR_BINARY", str(ROOT / "build/release/weir")))
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--out", default=str(ROOT / "docs/console"))
    parser.add_argument("--range", default="15m")
    parser.add_argument("--url")
    parser.add_argument("--key")
    a = parser.parse_args()
    if a.url:
        return take(a.url, a.key, pathlib.Path(a.out), a.range)
    from console_demo import OWNER, Demo

    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(a.weir, a.rate, folder)
        threading.Event().wait(a.minutes * 60)
        take(demo.url, OWNER, pathlib.Path(a.out), a.range)
        demo.stop()


if __name__ == "__main__":
    main()
