"""A program that answers a supervisor's questions as a node does, or behaves badly.

Arguments: RPC port, peer id, and what it does: `answer`, `die` (after a line of log), `mute` (listens to
nothing), `disagree` (has other blocks), `deaf` (ends by force only).
"""

import json
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

STARTS = "the fake node starts"
HASH = "0x" + "ab" * 32
OTHER_HASH = "0x" + "cd" * 32


class Handler(BaseHTTPRequestHandler):
    peer_id = ""
    disagrees = False

    def do_POST(self) -> None:
        calls = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers = [{"jsonrpc": "2.0", "id": call["id"], "result": self.answer(call)} for call in calls]
        body = json.dumps(answers).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, call: Any) -> object:
        match call["method"]:
            case "system_localPeerId":
                return self.peer_id
            case "chain_getHeader":
                return {"number": "0x7" if call["params"] else "0x8"}
            case "chain_getFinalizedHead":
                return HASH
            case "chain_getBlockHash":
                return OTHER_HASH if self.disagrees else HASH
            case _:
                return {"peers": 3}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Nothing is logged."""


def main() -> None:
    port, Handler.peer_id, behaviour = sys.argv[1:4]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets background jobs ignore it
    print(STARTS, flush=True)  # noqa: T201  # its log
    if behaviour == "die":
        sys.exit(8)
    if behaviour == "mute":
        time.sleep(600)
    if behaviour == "deaf":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    Handler.disagrees = behaviour == "disagree"
    HTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
