"""Hostile clients of `finereel serve`: paths, ranges, names, origins, slow and many connections, large
requests, and markup in everything that is shown.
"""

import contextlib
import http.client
import json
import os
import random
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from finereel.client import Client
from finereel.library import Library
from research.attacks.base import Result
from research.attacks.served import ServerProcess, make_video, served

CANARY = "the-secret-that-no-answer-may-hold"
HOSTILE_NAMES = (
    "<img src=x onerror=alert(1)>.mp4",
    "<script>alert(2)<\u2044script>.mp4",
    "\"'><svg onload=alert(3)>.mp4",
    "{{constructor.constructor('alert(4)')()}}.mp4",
    "javascript:alert(5).mp4",
    "\u202egnp.mp4",
    "a\nSet-Cookie: x=y.mp4",
)
LARGE = 100 << 20
"""Bytes of a large request."""
MOST_MEMORY = 48 << 20
"""Bytes that the server may take for it meanwhile."""


@dataclass(frozen=True)
class Site:
    """A server, its library and its videos."""

    server: ServerProcess
    folder: Path
    files: Mapping[str, str]

    def ask(
        self, method: str, target: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Send exactly this target, with the token; status 0 where the connection is closed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        known = {"Authorization": f"Bearer {self.server.token}"} | dict(headers or {})
        try:
            connection.putrequest(method, target, skip_host="Host" in known)
            for name, value in known.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, told, answer.read()
        except (http.client.HTTPException, OSError):
            return 0, {}, b""
        finally:
            connection.close()


def open_site(scratch: Path) -> contextlib.AbstractContextManager[Site]:
    """A library of videos with hostile names, subtitles and a broken file, and a server for it."""
    return _site(scratch)


@contextlib.contextmanager
def _site(scratch: Path) -> Iterator[Site]:
    videos = scratch / "videos"
    videos.mkdir(parents=True)
    (scratch / "secret.txt").write_text(CANARY * 100)
    for number, name in enumerate(HOSTILE_NAMES):
        make_video(videos / name, number)
    pad = videos / "large.mp4"
    make_video(pad, len(HOSTILE_NAMES))
    with pad.open("ab") as file:  # a box that players pass over
        file.write((16 << 20).to_bytes(4, "big") + b"free" + bytes((16 << 20) - 8))
    (videos / f"broken {HOSTILE_NAMES[0]}").write_bytes(b"no video")
    (videos / "large.srt").write_text(f"1\n00:00:00,000 --> 00:00:01,000\n{HOSTILE_NAMES[0]}\n")
    library = Library.open(scratch / "library", model="reelworld-tiny")
    library.add([videos])
    library.close()
    with served(library.path) as server, Client(server.url) as client:
        hits = client.search("a red ball", top=100).hits
        yield Site(server, scratch, {hit.video: hit.clip_id[:16] for hit in hits})


# Paths.
_UP = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "..\\", "....//", "%252e%252e%252f")
_UP += ("..%c0%af", "%c0%ae%c0%ae/", "..;/", "..%00/", "..//")
_AIMS = (
    "secret.txt",
    "etc/passwd",
    "videos/large.mp4",
    "library/library.json",
    "proc/self/environ",
)
_ROUTES = (
    "/media/",
    "/thumb/",
    "/strip/",
    "/subtitles/",
    "/page/",
    "/api/clips/",
    "/api/files/",
    "/",
)


def traversal(site: Site, count: int, seed: int) -> list[Result]:
    """So many targets that lead elsewhere."""
    chosen = random.Random(seed)
    fixed = [
        "/media/" + quote(str(site.folder / "secret.txt"), safe=""),
        "/media/file%3a%2f%2f" + quote(str(site.folder / "secret.txt"), safe=""),
        "/media//etc/passwd",
        "//etc/passwd",
        "/media/~root",
        "/media/%00",
        "/media/\\\\host\\share",
        f"/media/{'a' * 5000}",
        "/media/CON",
        "/media/' OR 1=1 --".replace(" ", "%20"),
        "/thumb/'; DROP TABLE clips".replace(" ", "%20"),
    ]
    targets = list(fixed)
    while len(targets) < count:
        up = chosen.choice(_UP) * chosen.randint(1, 12)
        end = chosen.choice(("", ".vtt", "%00.mp4", "%00", "?x", "#x", "/."))
        targets.append(chosen.choice(_ROUTES) + up + chosen.choice(_AIMS) + end)
    bad = []
    for target in targets[:count]:
        status, _, body = site.ask("GET", target)
        plain = body.replace(target.encode(), b"")
        if status not in (0, 400, 403, 404) or CANARY.encode() in plain or b"root:x:" in plain:
            bad.append(f"{status} {target}")
    return [_result("GET of a path that leads elsewhere", count, bad, "a byte from elsewhere")]


def swaps(site: Site, count: int, seed: int) -> list[Result]:
    """Put links, other files, pipes and folders where the videos were; the videos return."""
    secret = site.folder / "secret.txt"
    chosen, bad = random.Random(seed), []
    videos = sorted(site.files)
    for number in range(count):
        path = Path(videos[number % len(videos)])
        aside = path.with_name(f"{number}.aside")
        path.rename(aside)
        kind = chosen.choice(("link", "copy", "same size", "pipe", "folder", "loop", "device"))
        _put(kind, path, secret, aside.stat().st_size)
        for route in ("/media/{}", "/subtitles/{}.vtt"):
            status, _, body = site.ask("GET", route.format(site.files[str(path)]))
            if status not in (404, 410) or CANARY.encode() in body:
                bad.append(f"{status} {kind}")
        _take_away(path)
        aside.rename(path)
    status, _, _ = site.ask("HEAD", f"/media/{site.files[videos[0]]}")
    bad += [] if status == 200 else ["a video that came back is not played"]
    name = "GET of a video in whose place lies a link, another file, a pipe, a device or a folder"
    return [_result(name, count, bad, "a byte of it, or a wait")]


def _put(kind: str, path: Path, secret: Path, size: int) -> None:
    if kind == "link":
        path.symlink_to(secret)
    elif kind == "copy":
        path.write_bytes(secret.read_bytes())
    elif kind == "same size":
        path.write_bytes((secret.read_bytes() * (size // 100 + 1))[:size])
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path.name)
    else:
        path.symlink_to("/dev/zero")


def _take_away(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink()


# Ranges.
def ranges(site: Site, count: int, seed: int) -> list[Result]:
    """So many ranges of one video, over one connection."""
    chosen = random.Random(seed)
    path = min(site.files, key=lambda name: Path(name).stat().st_size)
    content = Path(path).read_bytes()
    size, bad = len(content), []
    connection = http.client.HTTPConnection("127.0.0.1", site.server.port, timeout=30)
    for _ in range(count):
        header, expected = _range(chosen, size)
        headers = {"Authorization": f"Bearer {site.server.token}", "Range": header}
        connection.request("GET", f"/media/{site.files[path]}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if expected is None:
            right = answer.status == 416 and body == b""
        elif expected == (0, size) and answer.status == 200:
            right = body == content
        else:
            right = answer.status == 206 and body == content[slice(*expected)]
        if not right:
            bad.append(f"{header}: {answer.status}, {len(body)} bytes")
    connection.close()
    return [_result("GET of a range of a video", count, bad, "other bytes than those of the file")]


def _range(chosen: random.Random, size: int) -> tuple[str, tuple[int, int] | None]:
    """A Range header, and the first byte and the one after the last that it must give; None where
    there is none.
    """
    first = chosen.randint(0, size - 1)
    kind = chosen.randrange(7)
    if kind == 0:
        return f"bytes={first}-", (first, size)
    if kind == 1:
        last = chosen.randint(1, 2 * size)
        return f"bytes=-{last}", (max(0, size - last), size)
    if kind == 2:
        return f"bytes={size + first}-", None
    if kind == 3:
        last = chosen.randint(size, 3 * size)
        return f"bytes={first}-{last}", (first, size)
    if kind == 4:
        return chosen.choice(
            ("bytes=", "bytes=-", "bytes=b-c", "bits=0-1", "bytes=5-4", "bytes=0-1,3-4", "0-1")
        ), (0, size)
    last = chosen.randint(first, size - 1)
    return f"bytes={first}-{last}", (first, last + 1)


# Names and origins.
def origins(site: Site, count: int, seed: int) -> list[Result]:
    """Requests under other names, and of pages of other origins."""
    del count, seed
    port, bad = site.server.port, []
    own = f"127.0.0.1:{port}"
    names = {
        **dict.fromkeys(
            (own, f"localhost:{port}", "localhost", f"[::1]:{port}", "LOCALHOST"), True
        ),
        **dict.fromkeys(
            ("evil.example", f"evil.example:{port}", f"localhost.evil.example:{port}", "0.0.0.0"),
            False,
        ),
        **dict.fromkeys(
            ("127.0.0.1.nip.io", "192.0.2.7", "user@localhost", "", "[::1", "2130706433"), False
        ),
    }
    pages = {
        f"http://{own}": True,
        **dict.fromkeys(
            (
                "null",
                "http://evil.example",
                f"http://localhost:{port}",
                "http://127.0.0.1:1",
                "file://",
            ),
            False,
        ),
        f"http://{own}.evil.example": False,
    }
    sites = {"same-origin": True, "none": True, "same-site": False, "cross-site": False}
    cases = [({"Host": name}, allowed) for name, allowed in names.items()]
    cases += [({"Host": own, "Origin": page}, allowed) for page, allowed in pages.items()]
    cases += [({"Host": own, "Sec-Fetch-Site": kind}, allowed) for kind, allowed in sites.items()]
    for headers, allowed in cases:
        status, _, _ = site.ask("GET", "/api/status", headers)
        if (status == 200) is not allowed:
            bad.append(f"{status} for {headers}")
    changes = ({}, {"X-Finereel": "0"}, {"X-Finereel": "1", "Origin": "http://evil.example"})
    for more in changes:
        status, _, _ = site.ask("POST", "/api/feedback", {"Content-Length": "0", **more})
        if status != 403:
            bad.append(f"{status} for a POST with {more}")
    anonymous = {"Authorization": "Bearer wrong"}
    bad += [
        f"{path} without the token"
        for path in ("/", "/api/status", "/media/x", "/metrics")
        if site.ask("GET", path, anonymous)[0] != 401
    ]
    tried = len(cases) + len(changes) + 4
    return [
        _result("Host, Origin, Sec-Fetch-Site, header and token", tried, bad, "an answer to it")
    ]


# Slow clients and many connections.
@dataclass(frozen=True)
class HealthTimes:
    """Seconds of /healthz while so many connections were open."""

    connections: int
    seconds: tuple[float, ...]

    def share(self, percent: int) -> float:
        """The percentile of the seconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def slow_clients(site: Site, count: int) -> HealthTimes:
    """Open so many connections that say nothing, say half of what they want, drip letters, or ask
    for a video and never read it; then ask /healthz over new ones.
    """
    _allow_files(2 * count + 200)
    large = site.files[str(site.folder / "videos" / "large.mp4")]
    full = (
        f"GET /media/{large} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {site.server.token}\r\n\r\n"
    ).encode()
    body = full.replace(b"GET /media/" + large.encode(), b"POST /api/feedback").replace(
        b"\r\n\r\n", b"\r\nX-Finereel: 1\r\nContent-Length: 60000\r\n\r\n{"
    )
    kinds = (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", body, full)
    held: list[socket.socket] = []
    seconds = []
    with contextlib.ExitStack() as open_sockets:
        for number in range(count):
            one = open_sockets.enter_context(
                socket.create_connection(("127.0.0.1", site.server.port))
            )
            kind = kinds[number % len(kinds)]
            # What is asked for and never read needs a thread now and then: a tenth of them.
            one.sendall(kind if kind is not full or number % 50 == 4 else kinds[1])
            held.append(one)
        until = time.monotonic() + 8
        while time.monotonic() < until and len(seconds) < 200:
            began = time.perf_counter()
            status, _, _ = site.ask("GET", "/healthz")
            seconds.append(time.perf_counter() - began if status == 200 else 60.0)
            for one in held[1::50]:
                with contextlib.suppress(OSError):
                    one.sendall(b"x")
            time.sleep(0.01)
    return HealthTimes(count, tuple(seconds))


def health(site: Site, count: int, seed: int) -> list[Result]:
    """Answers of /healthz that come too late while so many slow clients are connected."""
    del seed
    found = slow_clients(site, count)
    late = [f"{seconds:.2f} s" for seconds in found.seconds if seconds > 1]
    most = len(found.seconds) // 100
    name = (
        f"/healthz beside {count:,} slow connections: median {1000 * found.share(50):.0f} ms, "
        f"99 % within {1000 * found.share(99):.0f} ms"
    )
    return [
        _result(name, len(found.seconds), late if len(late) > most else [], "1 in 100 over 1 s")
    ]


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(hard, count)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


# Large requests.
def large_requests(site: Site, count: int, seed: int) -> list[Result]:
    """A query of 100 MB in the address, and bodies of 100 MB with and without their length."""
    del count, seed
    token = f"Authorization: Bearer {site.server.token}\r\nX-Finereel: 1\r\nHost: localhost\r\n"
    heads = {
        "in the address": "GET /api/search?q=",
        "in a header": f"GET / HTTP/1.1\r\n{token}X: ",
        "in a body": f"POST /api/feedback HTTP/1.1\r\n{token}Content-Length: {LARGE}\r\n\r\n",
        "in a body without length": f"POST /api/feedback HTTP/1.1\r\n{token}"
        f"Transfer-Encoding: chunked\r\n\r\n{LARGE:x}\r\n",
    }
    bad, most = [], 0
    for name, head in heads.items():
        before = _memory(site.server.process.pid)
        status = _send(site.server.port, head.encode())
        taken = _memory(site.server.process.pid) - before
        most = max(most, taken)
        if status not in (0, 400, 413) or taken > MOST_MEMORY:
            bad.append(f"{name}: {status}, {taken >> 20} MB")
    if site.ask("GET", "/healthz")[0] != 200:
        bad.append("the server is gone")
    name = f"a query of 100 MB, which took {most / 2**20:.1f} MB at most"
    return [_result(name, len(heads), bad, f"an answer, or {MOST_MEMORY >> 20} MB taken for it")]


def _send(port: int, head: bytes) -> int:
    """The status of the answer; 0 where the connection was closed without."""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(head)
            for _ in range(LARGE >> 20):
                connection.sendall(b"x" * (1 << 20))
        with contextlib.suppress(OSError):
            return int(connection.recv(100).split()[1])
    return 0


def _memory(process: int) -> int:
    """The most bytes of memory that a process has had."""
    with Path(f"/proc/{process}/status").open() as lines:
        for line in lines:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0


# Markup.
def markup(site: Site, count: int, seed: int) -> list[Result]:
    """Markup in file names, queries, tags and subtitles comes back as data that no browser runs."""
    del count, seed
    bad, tried = [], 0
    file_id = site.files[str(site.folder / "videos" / "large.mp4")]
    targets = ["/api/search?q=a+ball&top=100", "/api/problems", "/api/status", "/api/tags"]
    targets += [f"/api/files/{name}" for name in site.files.values()]
    targets += [f"/subtitles/{file_id}.vtt"]
    for text in HOSTILE_NAMES:
        told = quote(text)
        targets += [
            f"/api/search?q={told}",
            f"/api/search?q=a&tag={told}",
            f"/api/search?q=a&since={told}",
            f"/api/search?{told}=1&q=a",
            f"/{told}",
            f"/page/{told}",
            f"/?token={told}",
        ]
    for target in targets:
        status, headers, body = site.ask("GET", target)
        tried += 1
        kind = headers.get("content-type", "")
        safe = kind.startswith("application/json") or (
            kind.startswith("text/vtt") and b"<" not in body
        )
        page = target.startswith("/?token") and HOSTILE_NAMES[0].encode() not in body
        shut = headers.get(
            "x-content-type-options"
        ) == "nosniff" and "default-src 'none'" in headers.get("content-security-policy", "")
        if status and not ((safe or page) and shut and "set-cookie" not in headers):
            bad.append(f"{status} {kind} {target}")
        if safe and kind.startswith("application/json"):
            json.loads(body)
    never = "an answer that a browser could take for a page"
    return [_result("markup in names, queries, tags and subtitles", tried, bad, never)]


def _result(name: str, tried: int, bad: list[str], never: str) -> Result:
    return Result(name, tried, len(bad), never, tuple(bad[:5]))


SiteAttack = Callable[[Site, int, int], list[Result]]
ATTACKS: dict[str, tuple[SiteAttack, int, int]] = {
    "traversal": (traversal, 480, 60),
    "swaps": (swaps, 20, 8),
    "ranges": (ranges, 10_000, 200),
    "origins": (origins, 30, 30),
    "markup": (markup, 100, 100),
    "large_requests": (large_requests, 4, 4),
    "health": (health, 1_000, 60),
}
"""Name -> (attack, inputs of a full run, inputs of a short run)."""


def attack_site(scratch: Path, short: bool, seed: int) -> list[Result]:
    """All attacks on one server, which must end in order afterwards."""
    results: list[Result] = []
    with open_site(scratch) as site:
        for attack, full, few in ATTACKS.values():
            results += attack(site, few if short else full, seed)
        try:
            status = site.server.stop()
        except subprocess.TimeoutExpired:
            status = -1
    ended = [] if status == 0 else [f"exit status {status}"]
    return [*results, _result("Ctrl-C after all this", 1, ended, "an exit status other than 0")]
