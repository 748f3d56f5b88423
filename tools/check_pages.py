"""
Check the pages that were built: links, words for pictures, and how they look.

``python tools/check_pages.py docs/_build/html`` follows every link within the pages,
and asks every picture for a text. Where there is a Chromium, on the path or named by
the variable CHROMIUM, it opens every page, 390 and 1,400 pixels wide. It then says what
is wider than the page, and what fails in a script. ``--screens DIR`` saves pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
import json
import os
from pathlib import Path
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

WIDTHS = (390, 1400)
#: Pages of which pictures are saved.
SHOWN = ("index", "quickstart", "decide", "how-to/compare", "how-to/troubleshooting")
#: Sphinx' own, which no one writes.
OWN = ("genindex.html", "py-modindex.html", "search.html")
SECONDS = 600

#: Runs in every page before anything else: what fails is kept.
_LISTEN = b"""<script>
window.failed = [];
addEventListener("error", event => {
  const from = event.target && (event.target.src || event.target.href) || "";
  if (!from || from.startsWith(location.origin)) failed.push(event.message || from);
}, true);
</script>"""
#: Opens every page at every width, and sends what it finds.
_OPEN = """<!DOCTYPE html><title>check</title><body><script>
const pages = PAGES, widths = WIDTHS, found = [];
const wait = ms => new Promise(done => setTimeout(done, ms));
function scrolled(node, top) {
  for (; node && node !== top; node = node.parentElement) {
    const over = getComputedStyle(node).overflowX;
    if (over === "auto" || over === "scroll" || over === "hidden") return true;
  }
  return false;
}
async function look(page, width) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:900px;border:0`;
  document.body.append(frame);
  const loaded = new Promise(done => { frame.onload = done; frame.src = "/" + page; });
  await Promise.race([loaded, wait(20000)]);
  await wait(60);
  const view = frame.contentDocument, root = view.documentElement;
  for (const what of frame.contentWindow.failed)
    found.push([page, width, "fails: " + what]);
  if (root.scrollWidth > root.clientWidth + 1) {
    const wide = [...view.body.querySelectorAll("*")].filter(node =>
      node.getBoundingClientRect().right > root.clientWidth + 1
      && node.getClientRects().length && !scrolled(node.parentElement, view.body));
    const names = wide.slice(0, 3).map(node =>
      node.tagName.toLowerCase() + " " + node.textContent.trim().slice(0, 40));
    found.push([page, width, "wider than the page: " + root.scrollWidth + " px: "
      + names.join(" | ")]);
  }
  frame.remove();
}
(async () => {
  for (const page of pages) for (const width of widths)
    await look(page, width).catch(error => found.push([page, width, String(error)]));
  await fetch("/found", {method: "POST", body: JSON.stringify(found)});
})();
</script></body>"""


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
        if "_static" not in path.parts
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


class Handler(SimpleHTTPRequestHandler):
    """Serves the pages, each with a script that listens; takes what was found."""

    found: ClassVar[queue.Queue[list[Any]]] = queue.Queue()
    start: ClassVar[bytes] = b""

    def do_GET(self) -> None:
        """Send a page."""
        path = Path(self.translate_path(self.path))
        if self.path == "/check":
            self._send(self.start)
        elif path.suffix == ".html" and path.is_file():
            self._send(path.read_bytes().replace(b"<head>", b"<head>" + _LISTEN, 1))
        else:
            super().do_GET()

    def do_POST(self) -> None:
        """Take what was found."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._send(b"")
        self.found.put(json.loads(body))

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def find_browser() -> str | None:
    """A Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, names)), None
    )


def browse(browser: str, *arguments: str, profile: str) -> list[str]:
    """Command line of a browser without a window."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    # Nothing from elsewhere: pages that need it would wait for it.
    options.append("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
    return [browser, *options, f"--user-data-dir={profile}", *arguments]


def check_looks(folder: Path, browser: str) -> Iterator[str]:
    """What is wider than its page, and what fails in it."""
    pages = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.html")
        if path.name not in OWN and not {"_modules", "_static"} & set(path.parts)
    )
    text = _OPEN.replace("PAGES", json.dumps(pages)).replace(
        "WIDTHS", str(list(WIDTHS))
    )
    Handler.start = text.encode()

    def handler(*args: Any) -> Handler:
        return Handler(*args, directory=str(folder))

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/check"
        command = browse(browser, "--remote-debugging-port=0", address, profile=profile)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, **quiet) as process:  # type: ignore[call-overload]
            try:
                found = Handler.found.get(timeout=SECONDS)
            except queue.Empty:
                found = [["", "", f"the browser was not done in {SECONDS} s"]]
            finally:
                process.terminate()
        server.shutdown()
    print(f"{len(pages)} pages opened at {WIDTHS} pixels")
    yield from (f"{page} at {width} px: {what}" for page, width, what in found)


def save_screens(folder: Path, browser: str, to: Path) -> None:
    """Save pictures of a few pages, light and dark, narrow and wide."""
    to.mkdir(parents=True, exist_ok=True)
    for page in SHOWN:
        for width in WIDTHS:
            for dark in (False, True):
                name = f"{page.replace('/', '-')}-{width}{'-dark' * dark}.png"
                with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
                    command = browse(
                        browser,
                        f"--screenshot={to / name}",
                        f"--window-size={width},2400",
                        *["--blink-settings=preferredColorScheme=0"] * dark,
                        (folder / f"{page}.html").resolve().as_uri(),
                        profile=profile,
                    )
                    subprocess.run(
                        command, capture_output=True, check=False, timeout=120
                    )


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
        print("No Chromium: how the pages look is not checked.")
    else:
        wrong += check_looks(folder, browser)
        if options.screens:
            save_screens(folder, browser, options.screens)
    print("\n".join(wrong) or "pages: all is well")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
