"""Records how long curl's library waits for values of Retry-After: `python tests/servers/retry_after.py` writes retry_after.json beside this
file. Needs pycurl (`pip install pycurl`); recorded with libcurl 8.23.0. A value such as `{imf:90}` stands for the time 90 seconds after the
reply, in one of the three forms of RFC 9110, 5.6.7. What curl waits is null where it does not go by the header."""

import json
import re
import socket
import threading
import time
from pathlib import Path

import pycurl

FORMS = {"imf": "%a, %d %b %Y %H:%M:%S GMT", "rfc850": "%A, %d-%b-%y %H:%M:%S GMT", "asctime": "%a %b %e %H:%M:%S %Y"}

CASES = [
    [], ["0"], ["1"], ["120"], ["007"], ["599"], ["600"], ["601"], ["3600"], ["86400"], ["  30"], ["30  "], ["\t30\t"],
    ["4294967296"], ["99999999999999999999"], ["1.5"], ["0.5"], ["2."], [".5"], ["-1"], ["-0"], ["+5"], ["5s"], ["5 seconds"], ["1e3"],
    ["0x10"], ["abc"], [""], ["NaN"], ["inf"], ["\u0661\u0662"], ["12", "34"], ["34", "12"], ["abc", "12"], ["12", "abc"], ["12, 34"], ["12,34"],
    ["{imf:90}"], ["{rfc850:90}"], ["{asctime:90}"], ["{imf:0}"], ["{imf:-90}"], ["{rfc850:-90}"], ["{asctime:-90}"], ["{imf:7200}"],
    ["{imf:580}"], ["Sun, 06 Nov 1994 08:49:37 GMT"], ["Sunday, 06-Nov-94 08:49:37 GMT"], ["Sun Nov  6 08:49:37 1994"],
    ["Fri, 31 Dec 1999 23:59:59 GMT"], ["Fri, 31 Dec 2100 23:59:59 GMT"], ["Fri, 31 Dec 9999 23:59:59 GMT"], ["Thu, 01 Jan 1970 00:00:00 GMT"],
    ["Mon, 32 Jan 2100 00:00:00 GMT"], ["Fri, 31 Foo 2100 23:59:59 GMT"], ["31 Dec 2100"], ["2100-12-31T23:59:59Z"], ["{imf:90}", "12"],
]


def main():
    listener = socket.create_server(("127.0.0.1", 18996))
    values = []

    def serve():
        while True:
            connection, _ = listener.accept()
            data = b""
            while b"\r\n\r\n" not in data and (more := connection.recv(4096)):
                data += more
            headers = "".join(f"Retry-After: {value}\r\n" for value in values)
            connection.sendall(f"HTTP/1.1 429 Wait\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    lines = []
    for case in CASES:
        def filled(match):
            return time.strftime(FORMS[match[1]], time.gmtime(time.time() + int(match[2])))

        values[:] = [re.sub(r"\{(\w+):(-?\d+)\}", filled, value) for value in case]
        ask = pycurl.Curl()
        ask.setopt(pycurl.URL, "http://127.0.0.1:18996/")
        ask.setopt(pycurl.WRITEFUNCTION, lambda _: None)
        ask.perform()
        waits = ask.getinfo(pycurl.RETRY_AFTER)
        # What the clock moved on since the value was made.
        waits += any("{" in value and ":-" not in value for value in case) and waits % 10 == 9  # all are multiples of 10
        lines.append(json.dumps({"values": case, "curl": waits or None}))
    Path(__file__).with_suffix(".json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


main()
