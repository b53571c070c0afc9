"""Records what curl sends where it is redirected: `python3 tests/servers/redirects.py` writes redirects.json beside this file. Recorded with
curl 7.88.1. `{a}` is the server that is asked, `{b}` another one; a reply without a place has no Location."""

import json
import socket
import subprocess
import threading
from pathlib import Path

PORTS = {"a": 18997, "b": 18998}

CASES = [
    # Replies, and whether there is a key.
    ([[301, "/other"]], True),
    ([[302, "/other"]], True),
    ([[303, "/other"]], True),
    ([[307, "/other"]], True),
    ([[308, "/other"]], True),
    ([[300, "/other"]], True),
    ([[304, "/other"]], True),
    ([[305, "/other"]], True),
    ([[306, "/other"]], True),
    ([[200, "/other"]], True),
    ([[201, "/other"]], True),
    ([[404, "/other"]], True),
    ([[307, "other"]], True),
    ([[307, "./other"]], True),
    ([[307, "../other"]], True),
    ([[307, "../../../../other"]], True),
    ([[307, "a/./b/../c"]], True),
    ([[307, "?page=2"]], True),
    ([[307, "/other?x=1&y=2"]], True),
    ([[307, "/other#part"]], True),
    ([[307, "#part"], [200, None]], True),
    ([[307, "  /other  "]], True),
    ([[307, "/a b?c d"]], True),
    ([[307, "/\u00e4"]], True),
    ([[307, "/a%20b"]], True),
    ([[307, "http://127.0.0.1:{a}/other"]], True),
    ([[307, "HTTP://127.0.0.1:{a}/Other"]], True),
    ([[307, "//127.0.0.1:{a}/other"]], True),
    ([[307, "http://127.0.0.1:{b}/other"]], True),
    ([[307, "http://127.0.0.1:{b}/other"]], False),
    ([[301, "http://127.0.0.1:{b}/other"]], False),
    ([[308, "//127.0.0.1:{b}/other"]], False),
    ([[307, "http://localhost:{a}/other"]], True),
    ([[307, "http://localhost:{a}/other"]], False),
    ([[307, "http://127.0.0.1:{b}"]], False),
    ([[307, "http://127.0.0.1:{b}?q"]], False),
    ([[307, "http://me:secret@127.0.0.1:{b}/other"]], False),
    ([[307, "ftp://127.0.0.1:{b}/other"]], False),
    ([[307, "mailto:me@example.com"]], False),
    ([[307, "file:///etc/passwd"]], False),
    ([[307, "http:///other"]], False),
    ([[307, "http://127.0.0.1:port/other"]], False),
    ([[307, ""]], False),
    ([[307, None]], False),
    ([[302, None]], False),
    ([[307, "/1"], [308, "/2"], [302, "/3"]], True),
    ([[307, "http://127.0.0.1:{b}/1"], [307, "http://127.0.0.1:{a}/2"]], False),
    ([[307, "/1"], [303, "/2"]], False),
    ([[307, "/1"], [307, "http://127.0.0.1:{b}/2"]], True),
    ([[307, "/again"]] * 60, False),
]


def serve(name, replies, seen):
    listener = socket.create_server(("127.0.0.1", PORTS[name]))
    while True:
        connection, _ = listener.accept()
        data = b""
        while b"\r\n\r\n" not in data and (more := connection.recv(4096)):
            data += more
        head, end, body = data.partition(b"\r\n\r\n")
        if not end:  # not HTTP
            continue
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(4096)
        method, target, _ = lines[0].split(" ")
        status, place = replies[len(seen)] if len(seen) < len(replies) else (200, None)
        seen.append([name, method, target, "authorization" in headers, body.decode()])
        location = "" if place is None else f"Location: {place.format(**PORTS)}\r\n"
        length = "" if status == 304 else "Content-Length: 2\r\n"
        connection.sendall(f"HTTP/1.1 {status} Said\r\n{location}{length}Connection: close\r\n\r\n".encode() + (b"" if status == 304 else b"{}"))
        connection.close()


def main():
    seen, replies, lines = [], [], []
    for name in PORTS:
        threading.Thread(target=serve, args=(name, replies, seen), daemon=True).start()
    for said, key in CASES:
        seen.clear()
        replies[:] = said
        command = ["curl", "-q", "-sS", "-L", "--post301", "--post302", "-m", "5", "-d", "{}", "-o", "/dev/null", "-w", "%{http_code}"]
        command += ["-H", "authorization: Bearer k"] if key else []
        done = subprocess.run([*command, f"http://127.0.0.1:{PORTS['a']}/v1/chat/completions"], env={}, capture_output=True, text=True)
        found = {"replies": said if len(said) < 9 else [said[0]], "endless": len(said) > 9, "key": key}
        found["requests"] = seen if len(seen) < 9 else seen[:2]
        found["status"] = int(done.stdout) if done.returncode == 0 else None
        lines.append(json.dumps(found, ensure_ascii=False))
    Path(__file__).with_suffix(".json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


main()
