"""
Check the pages that were built: links, words for pictures, and how they look.

``python tools/check_pages.py docs/_build/html`` follows every link within the pages,
and asks every picture for a text. Where there is a Chromium, on the path or named by
the variable CHROMIUM, it opens every page, 390 and 1,400 pixels wide, light and dark.
It then says what is wider than the page, what fails in a script, and what the search
does not find. ``--screens DIR`` saves pictures of the pages that people wrote.
"""

from __future__ import annotations

import argparse
import base64
from collections.abc import Iterator
import contextlib
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
import itertools
import json
import os
from pathlib import Path
import select
import shutil
import subprocess
import sys
import tempfile
import threading
from typing import Any
from urllib.parse import unquote, urlsplit

BROWSERS = (
    *("chromium", "chromium-headless-shell", "chromium-browser"),
    *("google-chrome", "chrome"),
)
WIDTHS = (390, 1400)
SCHEMES = ("light", "dark")
#: Pages of which all four pictures are saved; of the others it is one of each width.
SHOWN = ("index.html", "quickstart.html", "decide.html", "how-to/compare.html")
#: Height of the tallest picture of a page.
TALLEST = 3000
#: Sphinx' own, which no one writes.
OWN = ("genindex.html", "py-modindex.html", "search.html")
#: What readers look for.
SEARCHED = ("annotation", "citation", "ppi", "augmented_gmm", "kappa")
#: How long the browser may say nothing.
SECONDS = 300

#: What is wider than the page, and pictures that were not loaded, in a list.
_LOOK = """(async () => {
  await new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
  const root = document.documentElement, found = [];
  const scrolled = node => {
    for (; node && node !== document.body; node = node.parentElement)
      if (["auto", "scroll", "hidden"].includes(getComputedStyle(node).overflowX))
        return true;
    return false;
  };
  if (root.scrollWidth > root.clientWidth + 1) {
    const wide = [...document.body.querySelectorAll("*")].filter(node =>
      node.getBoundingClientRect().right > root.clientWidth + 1
      && node.getClientRects().length && !scrolled(node.parentElement));
    const names = wide.slice(0, 3).map(node =>
      node.tagName.toLowerCase() + " " + node.textContent.trim().slice(0, 40));
    found.push("wider than the page: " + root.scrollWidth + " px: "
      + names.join(" | "));
  }
  for (const picture of document.querySelectorAll("article img"))
    if (picture.complete && !picture.naturalWidth)
      found.push("not loaded: " + picture.src);
  return found;
})()"""
#: How many pages the search has found, at most 10 seconds later.
_FOUND = """(async () => {
  const count = () => document.querySelectorAll("#search-results li").length;
  for (let k = 0; k < 100 && !count(); k++)
    await new Promise(done => setTimeout(done, 100));
  return count();
})()"""


class Links(HTMLParser):
    """Links, anchors and pictures of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.silent: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag refers to."""
        given = dict(attrs)
        self.anchors.update(filter(None, (given.get("id"), given.get("name"))))
        if tag == "a" and given.get("href"):
            self.links.add(str(given["href"]))
        if tag == "img":
            self.links.add(str(given.get("src")))
            # Sphinx writes the path where there is no text.
            if not given.get("alt") or str(given["alt"]).endswith((".png", ".svg")):
                self.silent.append(str(given.get("src")))


def check_links(folder: Path) -> Iterator[str]:
    """What leads nowhere, and pictures without a text."""
    pages = {
        path: Links(path.read_text("utf-8"))
        for path in folder.rglob("*.html")
        if not {"_static", "_modules"} & set(path.parts)
    }
    for path, page in sorted(pages.items()):
        name = path.relative_to(folder)
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            to = to / "index.html" if to.is_dir() else to
            anchor = unquote(parts.fragment)
            if not to.exists():
                yield f"{name}: {link} leads nowhere"
            elif anchor and to in pages and anchor not in pages[to].anchors:
                yield f"{name}: {link} has no such place"
        yield from (f"{name}: no text for {picture}" for picture in page.silent)


class Quiet(SimpleHTTPRequestHandler):
    """Serves the pages."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Address at which a folder is served on this machine."""

    def handler(*args: Any) -> Quiet:
        return Quiet(*args, directory=str(folder))

    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def find_browser() -> str | None:
    """A Chromium, or None."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


class Browser:
    """
    A Chromium without a window, and a page in it.

    Commands go through a pipe, in the protocol of its developer tools: JSON that ends
    in a zero byte.
    """

    def __init__(self, program: str, profile: str) -> None:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        # Nothing from elsewhere: pages that need it would wait for it.
        options.append("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
        options += [f"--user-data-dir={profile}", "--remote-debugging-pipe"]
        theirs, self._to = os.pipe()
        self._from, writes = os.pipe()
        # The browser reads commands from file 3, and answers in file 4.
        redirect = f'exec "$@" 3<&{theirs} 4>&{writes}'
        self.process = subprocess.Popen(
            ["bash", "-c", redirect, "bash", program, *options],
            pass_fds=(theirs, writes),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(writes)
        self._read = b""
        self._count = 0
        self._session: str | None = None
        self._events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _receive(self) -> dict[str, Any]:
        """The next message."""
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._from], [], [], SECONDS)
            part = os.read(self._from, 1 << 20) if ready else b""
            if not part:
                raise OSError(f"the browser said nothing for {SECONDS} s")
            self._read += part
        message, _, self._read = self._read.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Give a command; its answer. What happens meanwhile is kept as events."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._count:
            self._events.append(answer)
        if "error" in answer:
            raise OSError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def evaluate(self, script: str) -> Any:
        """What a script returns in the page, awaited."""
        given = {"expression": script, "awaitPromise": True, "returnByValue": True}
        answer = self.call("Runtime.evaluate", **given)
        return answer["result"].get("value")

    def open(self, address: str) -> None:
        """Load a page, with its formulas drawn."""
        self._events.clear()
        self.call("Page.navigate", url=address)
        while not any(e.get("method") == "Page.loadEventFired" for e in self._events):
            self._events.append(self._receive())
        self.evaluate("window.MathJax?.startup?.promise.then(() => 0)")

    def shape(self, width: int, scheme: str) -> None:
        """Give the window a width, and say what light the reader prefers."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        light = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[light])

    def errors(self) -> Iterator[str]:
        """Errors in scripts and in the console since the page was opened."""
        for event in self._events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                yield details.get("exception", {}).get("description", details["text"])
            elif event.get("method") == "Runtime.consoleAPICalled":
                if params["type"] in ("error", "assert"):
                    yield " ".join(str(arg.get("value")) for arg in params["args"])
            elif event.get("method") == "Log.entryAdded":
                entry = params["entry"]
                if entry["level"] == "error":
                    yield f"{entry['text']} {entry.get('url', '')}"

    def save(self, path: Path) -> None:
        """Save a picture of the page from top to bottom, at most TALLEST pixels."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "scale": 1, "width": size["width"]}
        clip["height"] = min(size["height"], TALLEST)
        how = {"format": "png", "captureBeyondViewport": True}
        picture = self.call("Page.captureScreenshot", clip=clip, **how)["data"]
        path.write_bytes(base64.b64decode(picture))

    def close(self) -> None:
        """End the browser."""
        with contextlib.suppress(OSError):
            self._session = None
            self.call("Browser.close")
        self.process.terminate()
        self.process.wait(timeout=20)


def check_looks(folder: Path, program: str, screens: Path | None) -> Iterator[str]:
    """What is wider than its page, and what fails in it; saves pictures."""
    pages = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.html")
        if path.name not in OWN and not {"_modules", "_static"} & set(path.parts)
    )
    if screens:
        shutil.rmtree(screens, ignore_errors=True)
        screens.mkdir(parents=True)
    with (
        served(folder) as address,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        contextlib.closing(Browser(program, profile)) as browser,
    ):
        # A reader who has been here: the theme complains of what it does not find.
        browser.open(f"{address}/{pages[0]}")
        browser.evaluate("localStorage.setItem('mode', 'auto')")
        for page in pages:
            browser.open(f"{address}/{page}")
            name = page.removesuffix(".html").replace("/", "-")
            # Those that a template makes differ in their words alone.
            written = "generated" not in page and "reference/r/" not in page
            schemes = SCHEMES if written else SCHEMES[:1]
            for width, scheme in itertools.product(WIDTHS, schemes):
                browser.shape(width, scheme)
                for what in browser.evaluate(_LOOK):
                    yield f"{page} at {width} px, {scheme}: {what}"
                one = (width == WIDTHS[0]) == (scheme == SCHEMES[0])
                if screens and written and (one or page in SHOWN):
                    browser.save(screens / f"{name}-{width}-{scheme}.png")
            yield from (f"{page}: {what}" for what in browser.errors())
        yield from check_search(browser, address)
    print(f"{len(pages)} pages opened at {WIDTHS} pixels, {' and '.join(SCHEMES)}")


def check_search(browser: Browser, address: str) -> Iterator[str]:
    """Words that readers look for, and for which the search finds nothing."""
    for word in SEARCHED:
        browser.open(f"{address}/search.html?q={word}")
        if not browser.evaluate(_FOUND):
            yield f"search: nothing is found for {word}"


def main() -> int:
    """Print what is wrong, and return how much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--screens", type=Path)
    options = parser.parse_args()
    folder = options.folder.resolve()
    wrong = list(check_links(folder))
    browser = find_browser()
    if browser is None:
        print("skipped: no browser, so that how the pages look is not checked")
    else:
        wrong += check_looks(folder, browser, options.screens)
    print("\n".join(wrong) or "pages: all is well")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
