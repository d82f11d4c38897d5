"""The web console in a real browser (Debian's Chromium): each role's story, by mouse and by keyboard alone, in both themes and
both widths, with an API that is slow or fails; axe-core finds nothing."""

import json
import re
import shutil
import time

import pytest
from playwright.sync_api import expect, sync_playwright

from harness import KEY, ROOT, eventually, request

OWNER = "sk-weir-owner-0123456789abcdef"
DEVELOPER = "sk-weir-developer-0123456789abcdef"
BILLING = "sk-weir-billing-0123456789abcdef"
AXE = ROOT / "tests/sdk_node/node_modules/axe-core/axe.min.js"
PLACES = ["overview", "models", "requests", "alerts", "tenants", "playground", "settings"]
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium")
    if not program:
        pytest.fail("there is no chromium: scripts/setup --test installs it", pytrace=False)
    with sync_playwright() as playwright:
        # --no-sandbox: as root, which tests in a container are, Chromium has no sandbox of its own.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Opens a tab of its own: visit(width, theme); what the page complains about is a failure, the content policy included."""
    contexts, complaints = [], []

    def open_page(size=WIDE, theme="light", expected=("status of 403",)):  # lists that a key may not see
        context = browser.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce")
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()

        def note(message):
            if message.location["url"].endswith("/admin/v1/budgets"):
                return  # in a weir that has none
            if message.type in ("error", "warning") and not any(e in message.text for e in expected):
                complaints.append(message.text)

        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints, complaints


@pytest.fixture(scope="module")
def house(binary, mock, tmp_path_factory):
    """A gateway with some traffic behind it; its tests only look, or add to it."""
    from harness import Gateway
    folder = tmp_path_factory.mktemp("console")
    weir = Gateway(binary, folder, mock.url, {
        "data": {"directory": str(folder / "data")},
        "auth": {"keys": [
            {"name": "all", "key": KEY},
            {"name": "boss", "key": OWNER, "roles": ["owner"]},
            {"name": "dev", "key": DEVELOPER, "roles": ["developer"]},
            {"name": "money", "key": BILLING, "roles": ["billing"]},
        ]},
        "registry": [{"provider": "mock", "model": "mock-1", "input_usd": "0.5", "output_usd": "2"}],
        "alerts": {"check_ms": 500, "rules": [
            {"name": "spending", "measure": "usd_per_hour", "above": "0.001", "severity": "critical", "each": "model", "over_ms": 3600000, "for_ms": 0},
            {"name": "slow", "measure": "p95_ms", "above": 60000},
        ], "webhooks": [{"name": "ops", "url": mock.url + "/nobody/takes/this"}]},
    })
    for i in range(30):
        weir.chat({"delay_ms": i, "input_tokens": 900, "output_tokens": 80}, stream=i % 2 == 0)
    weir.chat({"status": 400})
    weir.chat(model="lake")

    def followed():
        now = int(time.time())
        answer = request(weir.url, "GET", f"/admin/v1/overview?from={now - 900}&to={now + 60}", headers={"Authorization": f"Bearer {OWNER}"})
        return answer.json()["totals"]["requests"] >= 32

    eventually(followed, "the sums never followed the records")
    yield weir
    assert not (problem := weir.finish()), problem


def enter(page, weir, place="overview", key=OWNER):
    """Signs in as a person does, and goes to a place by its address."""
    page.goto(f"{weir.url}/console/{place}")
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(place.split("/")[0].split("?")[0], re.I))


def figure(page, name):
    return page.locator("dl.figures div", has=page.get_by_text(name, exact=True)).locator("dd").first


# ----------------------------------------------------------------------------------------------------------------------
# Coming in


def test_a_wrong_key_is_told_and_a_right_one_is_kept_in_the_tab_only(visit, house):
    page = visit(expected=["401"])
    page.goto(f"{house.url}/console/")
    page.get_by_label("Key", exact=True).fill("sk-weir-nobody-0123456789")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("does not know this key")
    page.get_by_label("Key", exact=True).fill(OWNER)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_text("boss", exact=True)).to_be_visible()
    assert OWNER not in page.url
    assert OWNER not in page.evaluate("JSON.stringify(localStorage) + document.cookie")
    page.reload()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.get_by_role("button", name="Sign out").first.click()
    expect(page.get_by_role("heading", name="Sign in to weir")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


# ----------------------------------------------------------------------------------------------------------------------
# Looking


def test_from_a_chart_to_the_one_request(visit, house):
    page = visit()
    enter(page, house, "overview?range=15m")
    expect(figure(page, "Requests")).to_have_text(re.compile(r"^[3-9]\d"))
    assert page.locator("figure canvas").count() == 6
    page.get_by_role("link", name="All failures").click()
    expect(page).to_have_url(re.compile(r"/console/requests\?.*failed=1"))
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("row", name=re.compile("404 refused")).get_by_role("link").click()
    expect(page.get_by_text("model not found")).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile("^req_"))).to_be_visible()
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Take away: failed").click()
    expect(page.locator("tbody tr").nth(20)).to_be_visible()
    page.get_by_role("row", name=re.compile("200 ok")).first.get_by_role("link").click()
    for stage in ("Read and decide", "Wait for its first byte", "Rest of the answer"):
        expect(page.get_by_text(stage)).to_be_visible()
    expect(page.get_by_text("Booked", exact=True)).to_be_visible()
    expect(page.get_by_text("$0.00061").first).to_be_visible()


def test_a_click_in_a_chart_leads_to_its_requests_and_a_drag_zooms(visit, house):
    page = visit()
    enter(page, house, "overview?range=15m")
    plot = page.get_by_role("application").first
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 60, steps=5)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"overview\?from=\d+&to=\d+"))
    page.go_back()
    expect(page).to_have_url(re.compile(r"range=15m"))
    plot.click(position={"x": box["width"] - 60, "y": 60})
    expect(page).to_have_url(re.compile(r"/requests\?from=\d+&to=\d+"))


def test_models_say_how_they_are_and_show_their_heat(visit, house):
    page = visit()
    enter(page, house, "models?range=15m")
    row = page.get_by_role("row", name=re.compile("river"))
    expect(row).to_contain_text("well")
    expect(row).to_contain_text("0.5 / 2")
    row.get_by_role("link").click()
    expect(page.get_by_role("img", name=re.compile(r"Duration, requests by time: \d+ requests"))).to_be_visible()
    page.get_by_role("link", name="First token", exact=True).click()
    expect(page.get_by_role("img", name=re.compile("Time to first token"))).to_be_visible()
    page.get_by_role("link", name="Its requests").click()
    expect(page.locator("tbody tr").first).to_contain_text("river")


def test_requests_are_filtered_and_the_filter_is_a_link(visit, house):
    page = visit()
    enter(page, house, "requests?range=15m")
    page.get_by_label("Ending").select_option("refused")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_label("Model", exact=True).fill("lake")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.goto(page.url)
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Model", exact=True).fill("no such model")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No request matches")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("tbody tr").nth(20)).to_be_visible()


def test_new_requests_come_without_a_reload(visit, house):
    page = visit()
    enter(page, house, "requests?range=15m&model=fresh")
    expect(page.get_by_text("No request matches")).to_be_visible()
    expect(page.get_by_text("live", exact=True)).to_be_attached()
    house.chat(model="fresh")
    expect(page.locator("tbody tr")).to_have_count(1, timeout=20_000)


def test_anything_is_found_by_ctrl_k(visit, house):
    page = visit()
    enter(page, house, "overview?range=15m")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option", name=re.compile("river"))).to_be_visible()
    page.keyboard.type("settin")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")
    wanted = house.chat({}).headers["x-weir-request-id"]
    page.keyboard.press("Control+k")
    page.keyboard.type(wanted)
    page.keyboard.press("Enter")
    eventually(lambda: page.get_by_role("button", name="Try again").click() is None if page.get_by_role("button", name="Try again").count() else
               page.get_by_role("heading", name=wanted).count(), "the request was never found")
    expect(page.get_by_role("heading", name=wanted)).to_be_visible()


def test_what_burns_and_how_well_everybody_was_served(visit, house):
    page = visit()
    enter(page, house, "alerts?range=15m")
    expect(page.get_by_role("heading", name="1 alert burns")).to_be_visible(timeout=20_000)
    burning = page.get_by_role("region", name="Alerts that burn")
    expect(burning).to_contain_text("critical")
    expect(burning).to_contain_text("model river")
    expect(page.get_by_role("row", name=re.compile("slow"))).to_contain_text("60 s")
    expect(page.get_by_role("row", name=re.compile("^ops"))).to_contain_text("it answers 400")
    served = page.get_by_role("region", name="How well everybody was served")
    expect(served.get_by_role("row", name=re.compile("river"))).to_contain_text("100 %")
    served.get_by_role("combobox").select_option("provider")
    expect(page).to_have_url(re.compile("by=provider"))
    expect(served.get_by_role("row", name=re.compile("mock"))).to_be_visible()
    with page.expect_download() as download:
        served.get_by_role("button", name="Save as CSV").click()
    assert download.value.suggested_filename.startswith("weir-sla-provider-")
    assert "provider,from,to" in open(download.value.path()).read()
    # From the alert to its charts, where it is a mark.
    burning.get_by_role("link", name="spending").click()
    expect(page.get_by_role("heading", name="What changed in this time")).to_be_visible()
    expect(page.get_by_text("alert: spending, model river")).to_be_visible()
    expect(page.get_by_text("weir started")).to_be_visible()


def test_a_developer_sees_no_rules_of_the_installation(visit, house):
    page = visit()
    enter(page, house, "alerts?range=15m", DEVELOPER)
    expect(page.get_by_role("heading", name="Nothing burns")).to_be_visible()
    expect(page.get_by_text("Rules, and what they read last")).to_have_count(0)
    expect(page.get_by_role("region", name="How well everybody was served").get_by_role("row", name=re.compile("river"))).to_be_visible()


# ----------------------------------------------------------------------------------------------------------------------
# Doing


def test_the_playground_streams_text_as_text(visit, house):
    page = visit(expected=["the server responded with a status of"])
    enter(page, house, "playground")
    hostile = '<img src=x onerror="document.title=1"> <b>bold</b> [a](javascript:1)'
    script = {"text": hostile, "input_tokens": 5, "output_tokens": 9}
    page.get_by_label("Message").fill(f"mock: {json.dumps(script)}\nSay it.")
    page.get_by_role("button", name="Ask", exact=True).click()
    answer = page.get_by_role("region", name="Answer of river")
    expect(answer).to_contain_text(hostile)
    assert answer.locator("img, b, a[href^=javascript]").count() == 0
    expect(answer).to_contain_text("5, 9")
    expect(answer).to_contain_text("whole")
    expect(answer.get_by_role("link", name="Its timeline and price")).to_be_visible()
    page.get_by_label("Compare with").select_option("river")
    page.get_by_label("Message").fill('mock: {"status":500}\nFail.')
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_role("region", name="Answer of river")).to_have_count(2)
    expect(page.get_by_role("alert").first).to_be_visible()


def test_a_configuration_is_seen_and_checked(visit, house):
    page = visit()
    enter(page, house, "settings")
    shown = page.get_by_role("region", name="Configuration in use")
    expect(shown).to_contain_text("river")
    assert KEY not in shown.inner_text() and "***" in shown.inner_text()
    text = page.get_by_label("Configuration to check")
    text.fill("server:\n  drain_ms: soon\n")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("It would be refused")).to_be_visible()
    page.get_by_role("button", name=re.compile("line 2")).click()
    assert text.evaluate("e => e.value.slice(e.selectionStart, e.selectionEnd)") == "  drain_ms: soon"
    text.fill("server: { drain_ms: 100 }\nproviders: [{ name: a, kind: openai, base_url: 'http://127.0.0.1:1' }]\n")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("It is valid.", exact=False).last).to_be_visible()


def test_a_new_operator_from_the_first_start_to_a_revoked_key(gateway, visit, tmp_path):
    """First start, sign in, a tenant, a key with a limit, traffic, its request found, limits raised, rotated, revoked, the refusal found."""
    prices = [{"provider": "mock", "model": "mock-1", "input_usd": "0.5", "output_usd": "2"}]
    weir = gateway({"data": {"directory": str(tmp_path / "data")}, "registry": prices})
    owner = weir.said.wait(lambda line: re.match(r"  owner key (wr_\w+)  ", line), "no owner key was shown")[1]
    page = visit()
    enter(page, weir, "overview", owner)
    expect(page.get_by_text("No requests in this time")).to_be_visible()
    page.get_by_role("link", name="Tenants").first.click()
    page.get_by_role("button", name="Create a tenant").click()
    page.get_by_label("Name").fill("Acme web")
    page.get_by_label("A month").fill("500")
    page.get_by_role("button", name="Create tenant").click()
    expect(page.get_by_role("heading", name=re.compile("Acme web"))).to_be_visible()
    expect(page.get_by_text("No key yet")).to_be_visible()

    page.get_by_role("button", name="Create a key").click()
    page.get_by_label("Name").fill("web-chat")
    page.get_by_label("A day").fill("2.5")
    page.get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("This is shown once")).to_be_visible()
    secret = dialog.locator("pre").inner_text().strip()
    assert secret.startswith("wr_")
    dialog.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_role("row", name=re.compile("web-chat"))).to_contain_text("active")
    assert secret not in page.content()

    assert weir.chat({}, key=secret).status == 200
    page.get_by_role("link", name="web-chat").click()
    row = page.locator("tbody tr", has_text="river").first
    expect(row).to_be_visible(timeout=20_000)
    page.go_back()

    page.get_by_role("button", name="Limits", exact=True).click()
    assert page.get_by_label("A day").input_value() == "2.5"
    page.get_by_label("A day").fill("0.00001")
    page.get_by_role("button", name="Save limits").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    refused = weir.chat({}, key=secret)
    assert (refused.status, refused.error["code"]) == (429, "insufficient_quota")
    page.get_by_role("link", name="Requests").first.click()
    page.get_by_label("Ending").select_option("limited")
    expect(page.locator("tbody tr")).to_have_count(1, timeout=20_000)
    expect(page.locator("tbody tr").first).to_contain_text("429")
    page.get_by_role("link", name="Tenants").first.click()
    page.get_by_role("link", name="Acme web").first.click()

    page.get_by_role("button", name="Limits", exact=True).click()
    page.get_by_label("A day").fill("5")
    page.get_by_label("Requests a minute").fill("600")
    page.get_by_role("button", name="Save limits").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert weir.chat({}, key=secret).status == 200
    expect(page.get_by_role("row", name=re.compile("web-chat"))).to_contain_text("of $5", timeout=20_000)
    page.get_by_role("button", name="Limits", exact=True).click()
    assert (page.get_by_label("A day").input_value(), page.get_by_label("Requests a minute").input_value()) == ("5", "600")
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Rotate").click()
    page.get_by_role("button", name="Rotate key").click()
    second = page.get_by_role("dialog").locator("pre").inner_text().strip()
    page.get_by_role("button", name="I have kept it").click()
    assert second != secret
    assert [weir.chat({}, key=k).status for k in (secret, second)] == [200, 200], "both are valid for a day"

    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Every application that uses this key is refused")).to_be_visible()
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_role("row", name=re.compile("web-chat"))).to_contain_text("revoked")
    assert [weir.chat({}, key=k).status for k in (secret, second)] == [401, 401]
    page.get_by_role("link", name="Requests").first.click()
    page.get_by_label("Ending").select_option("refused")
    expect(page.locator("tbody tr")).to_have_count(2, timeout=20_000)
    expect(page.locator("tbody tr").first).to_contain_text("401 refused")


# ----------------------------------------------------------------------------------------------------------------------
# Who may not, what fails, what is slow


def test_what_a_role_may_not_see_is_said(visit, house):
    page = visit(expected=["403"])
    enter(page, house, "settings", DEVELOPER)
    expect(page.get_by_role("heading", name="Your key may not see this")).to_be_visible()
    page.get_by_role("link", name="Overview").first.click()
    expect(figure(page, "Requests")).to_be_visible()


def test_a_failing_api_says_so_keeps_what_it_had_and_recovers(visit, house):
    page = visit(expected=["500", "ERR_FAILED"])
    fail = {"status": 500, "content_type": "application/json", "body": json.dumps({"error": {"message": "the disk is gone", "code": "io"}})}
    page.route("**/admin/v1/overview*", lambda route: route.fulfill(**fail))
    enter(page, house, "overview?range=15m")
    expect(page.get_by_text("the disk is gone").first).to_be_visible()
    with page.expect_request("**/admin/v1/overview*"):
        page.get_by_role("button", name="Try again").first.click()  # while it fails: a success would take the button away
    page.unroute("**/admin/v1/overview*")
    expect(figure(page, "Requests")).to_be_visible(timeout=20_000)
    page.route("**/admin/v1/overview*", lambda route: route.abort())
    expect(page.get_by_text("weir cannot be reached.").first).to_be_visible(timeout=20_000)
    expect(page.get_by_text(re.compile(r"What you see is .* old")).first).to_be_visible()
    expect(figure(page, "Requests")).to_be_visible()


def test_a_slow_api_shows_a_skeleton_first(visit, house):
    page = visit()
    held = []
    page.route("**/admin/v1/models?*", lambda route: held.append(route))
    enter(page, house, "models?range=15m")
    expect(page.get_by_role("status", name="Loading")).to_be_visible()
    for route in held:
        route.continue_()
    page.unroute("**/admin/v1/models?*")
    expect(page.get_by_role("row", name=re.compile("river"))).to_be_visible()
    expect(page.get_by_role("status", name="Loading")).to_have_count(0)


def test_an_empty_weir_says_what_to_do_next(gateway, visit):
    fresh = gateway({"auth": {"keys": [{"name": "boss", "key": OWNER, "roles": ["owner"]}]}})
    page = visit()
    enter(page, fresh, "overview")
    expect(page.get_by_text("No requests in this time")).to_be_visible()
    expect(page.locator("pre")).to_contain_text("curl http://127.0.0.1")
    page.get_by_role("button", name="Copy command").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    page.get_by_role("link", name="Open the playground").click()
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible()


# ----------------------------------------------------------------------------------------------------------------------
# For everybody


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1280", "390"])
def test_axe_finds_nothing_and_nothing_overflows(visit, house, size, theme):
    page = visit(size, theme)
    page.goto(f"{house.url}/console/")
    found = {}

    def look(name):
        page.evaluate(AXE.read_text())
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        if result["violations"]:
            found[name] = [f"{v['id']}: {v['nodes'][0]['html'][:200]} ({v['nodes'][0]['failureSummary']})" for v in result["violations"]]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found[name + " overflows"] = page.evaluate("document.documentElement.scrollWidth")

    # The policy of the page takes no script of others, not even a test's: axe is evaluated, not loaded.
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    look("sign in")
    enter(page, house, "overview?range=15m")
    settled = {"overview": "Last failures", "models": "river", "requests": "200 ok", "alerts": "A minute is bad", "tenants": "", "playground": "Compare with", "settings": "river"}
    for place in PLACES:
        page.goto(f"{house.url}/console/{place}?range=15m")
        expect(page.get_by_text(settled[place]).first if settled[place] else page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_load_state("load")
        look(place)
    page.goto(f"{house.url}/console/models?range=15m&model=river&provider=mock")
    expect(page.get_by_role("img", name=re.compile("Duration, requests by time"))).to_be_visible()
    look("one model")
    page.goto(f"{house.url}/console/requests?range=15m&ending=ok")
    page.locator("tbody tr a").first.click()
    expect(page.get_by_text("Stage by stage")).to_be_visible()
    look("one request")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Find anything")).to_be_visible()
    look("palette")
    assert not found, json.dumps(found, indent=1)


def test_by_keyboard_alone(visit, house):
    page = visit()
    page.goto(f"{house.url}/console/")
    page.keyboard.type(OWNER)  # the field has the focus
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(figure(page, "Requests")).to_be_visible()

    def tab_to(matches, what):
        for _ in range(80):
            page.keyboard.press("Tab")
            focus = page.evaluate("(e => `${e.tagName} ${e.getAttribute('role') ?? ''} ${e.getAttribute('aria-label') ?? ''} ${e.innerText ?? ''}`)(document.activeElement)")
            if matches in focus:
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"{what} does not show that it has the focus"
                return
        pytest.fail(f"{what} cannot be reached by the keyboard")

    tab_to("Go to the content", "the skip link")
    tab_to("Requests by how they ended", "the first chart")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/requests\?from=\d+"))
    page.keyboard.press("Control+k")
    page.keyboard.type("requests")
    page.keyboard.press("Enter")
    page.go_back()
    page.go_back()
    page.keyboard.press("Control+k")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Models")
    tab_to("river", "a model")
    page.keyboard.press("Enter")
    expect(page.get_by_role("img", name=re.compile("Duration, requests by time"))).to_be_visible()


def test_the_theme_follows_the_system_until_one_is_chosen(visit, house):
    page = visit(theme="dark")
    enter(page, house)
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(background)
    assert dark != light
    page.get_by_role("button", name="Theme: system").click()  # light
    page.get_by_role("button", name="Theme: light").click()  # dark
    assert page.evaluate(background) == dark
    page.reload()
    assert page.evaluate(background) == dark


def test_the_first_paint_is_quick_to_load(visit, house):
    """Three files, no more than the budget, and nothing from elsewhere."""
    page = visit()
    asked = []
    page.on("request", lambda r: asked.append(r.url))
    enter(page, house)
    assert all(u.startswith(house.url) for u in asked), asked
    assert len([u for u in asked if "/console/assets/" in u]) <= 3
