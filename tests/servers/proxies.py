"""Records which proxy curl asks, and how, for combinations of environment variables and addresses: `python tests/servers/proxies.py`
writes proxies.json beside this file. Two versions are asked, because no_proxy is read differently: the program curl (recorded with
7.88.1), and the library of pycurl (`pip install pycurl`, recorded with 8.23.0), whose answer is `newer` where it differs."""

import base64
import json
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

PORT = 18999
PROXY = f"http://127.0.0.1:{PORT}"
HTTP = "http://api.example.com/v1"
HTTPS = "https://api.example.com/v1"


def skipped(no_proxy, url, name="no_proxy"):
    """Whether a host in the list is asked without a proxy."""
    return {name: no_proxy, "http_proxy": PROXY, "https_proxy": PROXY}, url


CASES = [
    # Which variable counts.
    ({}, HTTP),
    ({"http_proxy": PROXY}, HTTP),
    ({"http_proxy": PROXY}, HTTPS),
    ({"HTTP_PROXY": PROXY}, HTTP),
    ({"HTTP_PROXY": PROXY}, HTTPS),
    ({"https_proxy": PROXY}, HTTPS),
    ({"https_proxy": PROXY}, HTTP),
    ({"HTTPS_PROXY": PROXY}, HTTPS),
    ({"https_proxy": PROXY, "HTTPS_PROXY": "http://127.0.0.1:9"}, HTTPS),
    ({"https_proxy": "", "HTTPS_PROXY": PROXY}, HTTPS),
    ({"all_proxy": PROXY}, HTTP),
    ({"ALL_PROXY": PROXY}, HTTPS),
    ({"ALL_PROXY": "http://127.0.0.1:9", "all_proxy": PROXY}, HTTP),
    ({"ALL_PROXY": "http://127.0.0.1:9", "http_proxy": PROXY}, HTTP),
    ({"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": PROXY}, HTTP),
    ({"http_proxy": ""}, HTTP),
    ({"http_proxy": "", "all_proxy": PROXY}, HTTP),
    # How a proxy is written.
    ({"http_proxy": f"127.0.0.1:{PORT}"}, HTTP),
    ({"http_proxy": f"{PROXY}/"}, HTTP),
    ({"http_proxy": f"{PROXY}/path?query#part"}, HTTP),
    ({"http_proxy": f"HTTP://127.0.0.1:{PORT}"}, HTTP),
    ({"http_proxy": "127.0.0.1"}, HTTP),
    ({"http_proxy": "http://127.0.0.1"}, HTTP),
    ({"https_proxy": "https://127.0.0.1"}, HTTPS),
    ({"http_proxy": f"http://me:secret@127.0.0.1:{PORT}"}, HTTP),
    ({"https_proxy": f"http://me:secret@127.0.0.1:{PORT}"}, HTTPS),
    ({"http_proxy": f"me:secret@127.0.0.1:{PORT}"}, HTTP),
    ({"http_proxy": f"http://me@127.0.0.1:{PORT}"}, HTTP),
    ({"http_proxy": f"http://m%40e:p%3Ass%25w%C3%B6rd@127.0.0.1:{PORT}"}, HTTP),
    ({"http_proxy": f"http://me:pa:ss@127.0.0.1:{PORT}"}, HTTP),
    ({"http_proxy": f"http://me:p@ss@127.0.0.1:{PORT}"}, HTTP),
    ({"http_proxy": f"http://:secret@127.0.0.1:{PORT}"}, HTTP),
    ({"http_proxy": f"socks5://127.0.0.1:{PORT}"}, HTTP),
    ({"http_proxy": f"socks5h://127.0.0.1:{PORT}"}, HTTP),
    ({"all_proxy": f"socks5h://me:secret@127.0.0.1:{PORT}"}, HTTPS),
    ({"http_proxy": f"socks4a://127.0.0.1:{PORT}"}, HTTP),
    ({"http_proxy": "socks5h://127.0.0.1"}, HTTP),
    ({"http_proxy": f"ftp://127.0.0.1:{PORT}"}, HTTP),
    ({"http_proxy": f"quic://me:secret@127.0.0.1:{PORT}"}, HTTP),
    ({"http_proxy": "http://127.0.0.1:port"}, HTTP),
    ({"http_proxy": "http://127.0.0.1:99999"}, HTTP),
    ({"http_proxy": "http://"}, HTTP),
    ({"http_proxy": f"http://[::1]:{PORT}"}, HTTP),
    # Who is asked directly.
    skipped("*", HTTP),
    skipped("*, localhost", HTTP),
    skipped("api.example.com", HTTP),
    skipped("example.com", HTTPS),
    skipped(".example.com", HTTP),
    skipped(".example.com", "http://example.com/"),
    skipped("*.example.com", HTTP),
    skipped("ple.com", HTTP),
    skipped("EXAMPLE.com", HTTP),
    skipped("example.com", "http://API.EXAMPLE.COM/"),
    skipped("example.com.", HTTP),
    skipped("example.com", "http://api.example.com./"),
    skipped("api.example.com.evil.org", HTTP),
    skipped("localhost, 127.0.0.1", "http://127.0.0.1:18731/v1"),
    skipped("localhost,127.0.0.1", "http://127.0.0.1:18731/v1"),
    skipped("localhost 127.0.0.1", "http://127.0.0.1:18731/v1"),
    skipped("  127.0.0.1  ", "http://127.0.0.1:18731/v1"),
    skipped("localhost\t,\t127.0.0.1", "http://127.0.0.1:18731/v1"),
    skipped(",,localhost,,127.0.0.1,", "http://127.0.0.1:18731/v1"),
    skipped("localhost", "http://localhost:8000/v1"),
    skipped("127.0.0.1", "http://localhost:8000/v1"),
    skipped("localhost", "http://127.0.0.1:8000/v1"),
    skipped("127.0.0.1:18731", "http://127.0.0.1:18731/v1"),
    skipped("localhost:8000", "http://localhost:8000/v1"),
    skipped("127.0.0.1", "http://127.0.0.1:18731/v1", "NO_PROXY"),
    ({"no_proxy": "", "NO_PROXY": "127.0.0.1", "http_proxy": PROXY}, "http://127.0.0.1:18731/v1"),
    ({"no_proxy": "localhost", "NO_PROXY": "127.0.0.1", "http_proxy": PROXY}, "http://127.0.0.1:18731/v1"),
    ({"no_proxy": "example.com", "all_proxy": PROXY}, HTTP),
    skipped("127.0.0", "http://127.0.0.1:18731/v1"),
    skipped(".0.0.1", "http://127.0.0.1:18731/v1"),
    skipped("127.0.0.0/8", "http://127.0.0.1:18731/v1"),
    skipped("10.0.0.0/8", "http://127.0.0.1:18731/v1"),
    skipped("192.168.4.0/22", "http://192.168.7.9/v1"),
    skipped("192.168.4.0/23", "http://192.168.7.9/v1"),
    skipped("192.168.7.9/32", "http://192.168.7.9/v1"),
    skipped("192.168.7.9/33", "http://192.168.7.9/v1"),
    skipped("0.0.0.0/0", "http://192.168.7.9/v1"),
    skipped("192.168.7.9/0", "http://192.168.7.9/v1"),
    skipped("192.168.0.0/16x", "http://192.168.7.9/v1"),
    skipped("192.168.0.0/", "http://192.168.7.9/v1"),
    skipped("192.168.7.9/", "http://192.168.7.9/v1"),
    skipped("192.168.0.0/-1", "http://192.168.7.9/v1"),
    skipped("192.168.07.9", "http://192.168.7.9/v1"),
    skipped("::1", "http://[::1]:8000/v1"),
    skipped("[::1]", "http://[::1]:8000/v1"),
    skipped("0:0:0:0:0:0:0:1", "http://[::1]:8000/v1"),
    skipped("fd00::/8", "http://[fd12:3456::7]:8000/v1"),
    skipped("fd12:3400::/26", "http://[fd12:3456::7]:8000/v1"),
    skipped("fd12:3440::/26", "http://[fd12:3456::7]:8000/v1"),
    skipped("fd12:34ff::/26", "http://[fd12:3456::7]:8000/v1"),
    skipped("fd12:3456::7/128", "http://[fd12:3456::7]:8000/v1"),
    skipped("fd12:3456::7/129", "http://[fd12:3456::7]:8000/v1"),
    skipped("::/0", "http://[fd12:3456::7]:8000/v1"),
    skipped("127.0.0.1", "http://[::1]:8000/v1"),
]


def read(connection):
    """What the client says to a proxy: the first line and the credentials of a request, or the version of SOCKS."""
    connection.settimeout(2)
    data = connection.recv(1)
    if data in (b"\x04", b"\x05"):
        return {"first": f"SOCKS{data[0]}"}
    if data == b"\x16":
        return {"first": "TLS"}
    while b"\r\n\r\n" not in data:
        more = connection.recv(4096)
        if not more:
            break
        data += more
    head = data.decode("latin-1")
    found = {"first": head.split("\r\n")[0].rsplit(" ", 1)[0]}
    credentials = re.search(r"(?im)^proxy-authorization: basic (\S+)", head)
    if credentials:
        found["credentials"] = base64.b64decode(credentials[1]).decode()
    return found


def listen(said):
    listener = socket.create_server(("127.0.0.1", PORT))
    while True:
        connection, _ = listener.accept()
        try:
            said.append(read(connection))
            if not said[-1]["first"].startswith("SOCKS"):
                connection.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except OSError as error:
            said.append({"first": f"{error}"})
        connection.close()


NEWER = """
import pycurl, sys
ask = pycurl.Curl()
ask.setopt(pycurl.URL, sys.argv[1])
ask.setopt(pycurl.VERBOSE, 1)
ask.setopt(pycurl.POSTFIELDS, "{}")
ask.setopt(pycurl.RESOLVE, sys.argv[2:])
ask.setopt(pycurl.TIMEOUT, 3)
ask.setopt(pycurl.SSL_VERIFYPEER, 0)
ask.setopt(pycurl.DEBUGFUNCTION, lambda kind, text: print(text.decode("latin-1").strip(), file=sys.stderr))
try:
    ask.perform()
except pycurl.error as error:
    print(error, file=sys.stderr)
"""


def decided(stderr):
    """The variable that names the proxy; none if the host is asked directly."""
    uses = re.findall(r"Uses proxy env variable (\S+) ==", stderr)
    return next((name for name in uses if name.lower() != "no_proxy"), None)


def main():
    said, lines = [], []
    threading.Thread(target=listen, args=(said,), daemon=True).start()
    hosts = ("api.example.com", "example.com", "api.example.com.", "localhost")
    resolve = [f"{host}:{port}:127.0.0.1" for host in hosts for port in (80, 443)]
    for env, url in CASES:
        said.clear()
        command = ["curl", "-q", "-sv", "-k", "-m", "3", "--connect-timeout", "1", "-d", "{}", "-o", "/dev/null", url]
        command += [word for one in resolve for word in ("--resolve", one)]
        run = dict(env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, text=True)
        done = subprocess.run(command, **run)
        refused = re.search(r"(Unsupported proxy \w+)", done.stderr)
        trying = re.search(r"Trying (\S+?)\.\.\.", done.stderr)
        found = {"env": env, "url": url, "variable": decided(done.stderr)}
        if refused:
            found["refused"] = refused[1]
        elif found["variable"]:
            found["address"] = trying[1] if trying else None
            found.update(said[0] if said else {})
        newer = subprocess.run([sys.executable, "-c", NEWER, url, *resolve], **run)
        if decided(newer.stderr) != found["variable"]:
            found["newer"] = decided(newer.stderr)
        lines.append(json.dumps(found))
    path = Path(__file__).with_suffix(".json")
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


main()
