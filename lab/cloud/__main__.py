"""Serve the lab's AWS on 127.0.0.1: `python -m lab.cloud --port PORT`."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from werkzeug.serving import make_server


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    # moto reads these when it is imported.
    os.environ["MOTO_PORT"] = str(arguments.port)
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "true")
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    from lab.cloud.app import application

    server = make_server("127.0.0.1", arguments.port, application(), threaded=True, request_handler=MotoRequestHandler)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
