"""Three downloads at once with libsoup, each with its progress. No callback, no async.

Output:
small: 100 %, 1000 bytes
medium: ... %
medium: 100 %, 300000 bytes
missing: Not Found
"""

import http.server
import threading

import gi

gi.require_version("Soup", "3.0")
from gi.repository import Soup

from gleenlet import call, run, spawn

SIZES = {"/small": 1_000, "/medium": 300_000}


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        size = SIZES.get(self.path)
        self.send_response(200 if size else 404)
        self.send_header("Content-Length", str(size or 0))
        self.end_headers()
        self.wfile.write(b"x" * (size or 0))

    def log_message(self, *args: object) -> None:
        pass


def download(session: Soup.Session, url: str) -> str:
    name = url.rpartition("/")[2]
    message = Soup.Message.new("GET", url)
    stream = call(session.send_async, message)
    if message.get_status() != Soup.Status.OK:
        return f"{name}: {message.get_reason_phrase()}"
    total, got, lines = message.get_response_headers().get_content_length(), 0, []
    while chunk := call(stream.read_bytes_async, 65_536).get_data():
        got += len(chunk)
        lines.append(f"{name}: {100 * got // total} %")
    call(stream.close_async)
    return "\n".join(lines) + f", {got} bytes"


def main(base: str) -> None:
    session = Soup.Session()
    tasks = [spawn(download, session, f"{base}/{name}") for name in ("small", "medium", "missing")]
    for task in tasks:
        print(task.result())


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
    threading.Thread(target=server.serve_forever).start()
    run(main, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
