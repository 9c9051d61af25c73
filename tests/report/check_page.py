#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""check_page.py FOLDER: each NAME.html there, a page by `keyscribe report`, beside NAME.json, what
`keyscribe appraise --json` says of the same evidence: its structure, by Python's own HTML parser, and
what Chromium makes of it, on a phone, on a desk, in the dark, on paper. Pictures go to the folder."""

import html.parser
import json
import pathlib
import sys

sys.dont_write_bytecode = True
from browser import Browser  # noqa: E402

VOID = {"meta", "link", "path", "rect", "circle"}
checks = failures = 0


def check(what, good, found=None):
    global checks, failures
    checks += 1
    if not good:
        failures += 1
        print(f"FAIL {what}" + ("" if found is None else f": {found}"))


class Structure(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.crossed, self.elements = [], [], []
        self.ids, self.codes, self.texts = [], [], []
        self.headings = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append((tag, attributes))

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open[-1][0] != tag:
            self.crossed.append(tag)
        else:
            self.open.pop()

    def handle_data(self, data):
        self.texts.append(data)
        if self.open and self.open[-1][1].get("class") == "code":
            self.codes.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def check_structure(name, text, appraisal):
    page = Structure(text)
    usable = appraisal["verdict"] != "unusable"
    check(f"{name}: what is opened is closed", not page.crossed and not page.open, page.crossed)
    check(f"{name}: no id twice", len(page.ids) == len(set(page.ids)))
    sections = {section["id"] for section in page.all("section")}
    wanted = {"verdict", "findings", "checked"} | ({"keyrings", "timeline", "signers"} if usable else set())
    check(f"{name}: its sections", sections == wanted, sections)
    for section in page.all("section"):
        check(f"{name}: {section['id']} has a name", section.get("aria-labelledby") in page.ids)
    for element in ("main", "h1", "title", "header", "footer", "nav"):
        check(f"{name}: one {element}", len([t for t, _ in page.elements if t == element]) ==
              (2 if element == "title" and usable else 1))
    check(f"{name}: headings go down a step at a time", page.headings[0] == 1 and all(
        later <= sooner + 1 for sooner, later in zip(page.headings, page.headings[1:])), page.headings)
    check(f"{name}: its language", page.all("html")[0].get("lang") == "en")
    check(f"{name}: fits the screen", any(m.get("name") == "viewport" for m in page.all("meta")))
    policy = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    check(f"{name}: nothing may be loaded", len(policy) == 1 and policy[0].startswith("default-src 'none'"), policy)
    check(f"{name}: no script", not page.all("script"))
    check(f"{name}: nothing that runs or loads", not [
        (tag, key) for tag, attributes in page.elements for key in attributes
        if key.startswith("on") or key in ("src", "srcset", "style", "action", "xlink:href")])
    links = [attributes["href"] for tag, attributes in page.elements if "href" in attributes]
    check(f"{name}: every link stays here", all(link.startswith(("#", "data:image/svg+xml,")) for link in links))
    missing = {link[1:] for link in links if link.startswith("#")} - set(page.ids)
    check(f"{name}: every link leads somewhere", not missing, missing)
    for scope in page.all("th"):
        check(f"{name}: a th has its scope", scope.get("scope") in ("row", "col"))
    codes = [finding["code"] for finding in appraisal["findings"]]
    check(f"{name}: every finding, in order", page.codes == codes, (page.codes, codes))
    check(f"{name}: the verdict", appraisal["verdict"].capitalize() in page.texts)
    if usable:
        graph = [a for a in page.all("svg") if a.get("role") == "img"]
        check(f"{name}: the graph has words", len(graph) == 1 and all(
            word in page.ids for word in graph[0]["aria-labelledby"].split()))
        for digest in ("policy_digest", "boot_id"):
            check(f"{name}: {digest}", any(appraisal[digest] in text for text in page.texts))
    # No byte of a name that changes how its neighbours are read.
    check(f"{name}: no directions, no controls", not [
        character for character in text
        if (ord(character) < 32 and character != "\n") or 0x7F <= ord(character) < 0xA0
        or 0x202A <= ord(character) <= 0x202E or 0x2066 <= ord(character) <= 0x2069])


OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"


def check_looks(browser, name, url, folder, usable):
    look = (pathlib.Path(__file__).parent / "look.js").read_text()
    for where, width, mobile in (("phone", 360, True), ("desk", 1280, False)):
        for scheme in ("light", "dark"):
            browser.screen(width, mobile=mobile, prefers_color_scheme=scheme)
            browser.open(url, scripts=False)
            small = browser.value("document.documentElement.scrollHeight") < 6000
            browser.picture(folder / f"{name}-{where}-{scheme}.png", whole=small)
            browser.value(OPEN_ALL)
            found = browser.value(look)
            here = f"{name}, {where}, {scheme}"
            check(f"{here}: as wide as the screen", found["scroll"] <= width and found["wide"] == width, found["scroll"])
            check(f"{here}: nothing sticks out", not found["outside"], found["outside"][:5])
            check(f"{here}: there is text", found["texts"] > 10)
            check(f"{here}: contrast", not found["faint"], found["faint"][:5])
            check(f"{here}: no letter too small", not found["small"], found["small"][:5])
    # With scripts allowed, so that what should not run could.
    browser.screen(1280)
    browser.open(url, scripts=True)
    check(f"{name}: nothing ran", "taken" != browser.value("document.title") and browser.value(
        "document.scripts.length") == 0, browser.value("document.title"))
    check(f"{name}: the style is in force", browser.value(
        "getComputedStyle(document.querySelector('.cards')).display") == "grid")
    said = [e for e in browser.events if e["method"] in (
        "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")]
    check(f"{name}: nothing on the console", not said, said)
    asked = {e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"}
    check(f"{name}: nothing is asked for but the page", all(
        one == url or one.startswith("data:") for one in asked), asked)
    roles = [node["role"]["value"] for node in browser.call("Accessibility.getFullAXTree")["nodes"]
             if not node["ignored"]]
    for role in ("banner", "navigation", "main", "contentinfo", *(("image",) if usable else ())):
        check(f"{name}: a reader finds {role}", role in roles or (role == "image" and "img" in roles), sorted(set(roles)))


def check_links(browser, name, url):
    """A link to an entry in a fold opens it, also without scripts."""
    browser.screen(360, mobile=True)
    browser.open(url, scripts=False)
    last = browser.value("[...document.querySelectorAll('[id^=entry-]')].at(-1).id")
    browser.open(f"{url}#{last}", scripts=False)
    check(f"{name}: a link opens the fold", browser.value(
        "document.querySelector(':target').closest('li').getBoundingClientRect().height") > 0)


def check_print(browser, name, url, folder):
    browser.screen(794, type="print", prefers_color_scheme="dark")
    browser.open(url, scripts=False)
    check(f"{name}: on paper nothing is folded", browser.value(
        "[...document.querySelectorAll('details')].every(one => one.open || "
        "one.lastElementChild.getBoundingClientRect().height > 0)"))
    check(f"{name}: paper is white", browser.value(
        "getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)")
    check(f"{name}: no menu on paper", browser.value(
        "document.querySelector('nav').getBoundingClientRect().height") == 0)
    browser.screen(794, prefers_color_scheme="dark")
    data = browser.paper(folder / f"{name}.pdf")
    check(f"{name}: a PDF", data.startswith(b"%PDF") and b"/Page" in data)


def main(folder):
    pages = sorted(folder.glob("*.html"))
    check("there are pages", pages)
    with Browser() as browser:
        for file in pages:
            name = file.stem
            appraisal = json.loads(file.with_suffix(".json").read_text())
            usable = appraisal["verdict"] != "unusable"
            check_structure(name, file.read_bytes().decode(), appraisal)
            check_looks(browser, name, file.as_uri(), folder, usable)
            if name == "long":
                check_links(browser, name, file.as_uri())
            check_print(browser, name, file.as_uri(), folder)
    print(f"{len(pages)} pages, {checks} checks, {failures} failed")
    return 1 if failures else 0


sys.exit(main(pathlib.Path(sys.argv[1]).resolve()))
