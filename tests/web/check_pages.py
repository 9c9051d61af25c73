#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""check_pages.py WEB-FLEET FOLDER: the verifier's pages in Chromium, over its own TLS, on a phone and on a
desk, in the light and in the dark: logging in, every link, an operator's yes, and what a reader cannot do.
Pictures go to the folder."""

import json
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "report"))
from browser import Browser  # noqa: E402

checks = failures = 0
LOOK = (pathlib.Path(__file__).parent.parent / "report/look.js").read_text()


def check(what, good, found=None):
    global checks, failures
    checks += 1
    if not good:
        failures += 1
        print(f"FAIL {what}" + ("" if found is None else f": {found}"))


def submit(browser, selector):
    """As a click on that button; the next page has loaded when it returns."""
    browser.events = []
    browser.value(f"document.querySelector({json.dumps(selector)}).click()")
    browser.wait("Page.loadEventFired")


def log_in(browser, base, token):
    browser.call("Network.clearBrowserCookies")
    browser.open(base + "/login", scripts=False)
    browser.value(f"document.querySelector('[name=token]').value = {json.dumps(token)}")
    submit(browser, ".login button")


def check_looks(browser, base, path, folder):
    name = re.sub(r"[0-9a-f]{30,}", lambda found: found[0][:6], path.strip("/")) or "fleet"
    name = re.sub(r"[^a-z0-9-]+", "-", name)
    for where, width, mobile in (("phone", 360, True), ("desk", 1280, False)):
        for scheme in ("light", "dark"):
            browser.screen(width, mobile=mobile, prefers_color_scheme=scheme)
            browser.open(base + path, scripts=False)
            small = browser.value("document.documentElement.scrollHeight") < 6000
            browser.picture(folder / f"{name}-{where}-{scheme}.png", whole=small)
            browser.value("document.querySelectorAll('details').forEach(one => one.open = true)")
            found = browser.value(LOOK)
            here = f"{path}, {where}, {scheme}"
            check(f"{here}: as wide as the screen", found["scroll"] <= width and found["wide"] == width, found["scroll"])
            check(f"{here}: nothing sticks out", not found["outside"], found["outside"][:5])
            check(f"{here}: there is text", found["texts"] >= 5, found["texts"])
            check(f"{here}: contrast", not found["faint"], found["faint"][:5])
            check(f"{here}: no letter too small", not found["small"], found["small"][:5])
    # With scripts allowed, so that what should not run could.
    browser.open(base + path, scripts=True)
    check(f"{path}: no script", browser.value("document.scripts.length") == 0)
    check(f"{path}: the style is in force", browser.value("getComputedStyle(document.body).marginTop") == "0px")
    said = [e["params"] for e in browser.events if e["method"] in (
        "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        # What the browser itself says of a 404 that is asked for.
        and "404" not in e["params"].get("entry", {}).get("text", "")]
    check(f"{path}: nothing on the console", not said, said)
    asked = {e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"}
    check(f"{path}: nothing is asked for but the page", all(
        one == base + path or one.startswith("data:") for one in asked), asked)
    check(f"{path}: one main, one h1, a title, a language", browser.value(
        "[document.querySelectorAll('main').length, document.querySelectorAll('h1').length, "
        "document.title !== '', document.documentElement.lang].join()") == "1,1,true,en")
    check(f"{path}: each field has a label", browser.value(
        "[...document.querySelectorAll('input:not([type=hidden],[hidden]),select')].every(one => one.labels.length === 1)"))
    check(f"{path}: no id twice", browser.value(
        "(ids => ids.length === new Set(ids).size)([...document.querySelectorAll('[id]')].map(one => one.id))"))
    roles = {node["role"]["value"] for node in browser.call("Accessibility.getFullAXTree")["nodes"]
             if not node["ignored"]}
    check(f"{path}: a reader finds its parts", {"banner", "main", "contentinfo"} <= roles, sorted(roles))
    return set(browser.value(
        "[...document.querySelectorAll('a[href]')].map(one => one.getAttribute('href'))"))


def check_links(browser, base, links):
    for link in sorted(links):
        check(f"{link}: stays here", link.startswith(("/", "#")) and not link.startswith("//"))
        if not link.startswith("/"):
            continue
        browser.open(base + link, scripts=False)
        status = [e["params"]["response"]["status"] for e in browser.events
                  if e["method"] == "Network.responseReceived" and e["params"]["type"] == "Document"]
        check(f"{link}: is there", status == [200], status)


def main(program, folder):
    told = json.loads(program.stdout.readline())
    base = f"https://localhost:{told['port']}"
    with Browser(flags=[f"--ignore-certificate-errors-spki-list={told['pin']}"]) as browser:
        browser.open(base + "/hosts?verdict=silent", scripts=False)
        check("without a session: the form", browser.value("!!document.querySelector('.login')"))
        browser.value("document.querySelector('[name=token]').value = 'guessed'")
        submit(browser, ".login button")
        check("a wrong token is told", browser.value("!!document.querySelector('.wrong')"))
        browser.picture(folder / "login-wrong.png")

        log_in(browser, base, told["reader"])
        browser.open(base + "/enrolments", scripts=False)
        check("a reader sees the queue", browser.value("document.querySelectorAll('main .card').length") == 2)
        check("and decides nothing", browser.value("document.querySelectorAll('main form').length") == 0)
        cookies = browser.call("Network.getAllCookies")["cookies"]
        check("the cookie", [(c["name"], c["httpOnly"], c["secure"], c["sameSite"], c["path"]) for c in cookies] ==
              [("__Host-keyscribe", True, True, "Strict", "/")], cookies)
        submit(browser, ".visitor button")
        check("logged out", not browser.call("Network.getAllCookies")["cookies"])

        log_in(browser, base, told["operator"])
        check("logged in", browser.value("location.pathname") == "/", browser.value("location.href"))
        links = set()
        for path in told["paths"]:
            links |= check_looks(browser, base, path, folder)
        check_links(browser, base, links)

        browser.screen(1280)
        browser.open(base + "/enrolments", scripts=False)
        submit(browser, ".decision button")
        check("a yes leaves one less", browser.value("location.pathname + document.querySelectorAll('main .card').length")
              == "/enrolments1")
        browser.open(base + "/", scripts=False)
        check("and the fleet has one more", browser.value("document.querySelector('h1').textContent") == "5 hosts")
    print(f"{len(told['paths'])} pages, {len(links)} links, {checks} checks, {failures} failed")
    return 1 if failures else 0


with subprocess.Popen([sys.argv[1], str(pathlib.Path(sys.argv[2]) / "fleet.sqlite")], stdin=subprocess.PIPE,
                      stdout=subprocess.PIPE) as running:
    status = main(running, pathlib.Path(sys.argv[2]).resolve())
    running.stdin.close()
    running.wait()
sys.exit(status or running.returncode)
