"""Start the language host: `python -m lab.host [engine address]`. The first line on stdout is its port."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from pulumi.runtime.proto import language_pb2_grpc

from lab.host.children import Children
from lab.host.server import EXEC, Host
from lab.parent import die_with_parent

MESSAGE_BYTES = 400 * 1024 * 1024  # the engine's own limit


def main() -> int:
    """Serve until the engine ends us."""
    die_with_parent()
    # PATH has the lab's folder first, and the script sits beside the wrapper that started us.
    script = shutil.which(EXEC)
    if script is None:
        print(f'{EXEC} is not on PATH: run `tiercast lab up` and `eval "$(tiercast lab env)"`.', file=sys.stderr)
        return 1
    children = Children()
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES)]
    server = grpc.server(ThreadPoolExecutor(max_workers=16), options=options)
    engine = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(engine, children, Path(script)), server)
    port = server.add_insecure_port("127.0.0.1:0")
    done = threading.Event()
    # The engine sends SIGINT when it needs us no longer, and the terminal sends one to everybody: both mean "end".
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    server.start()
    print(port, flush=True)
    done.wait()
    children.cancel()
    server.stop(grace=1).wait(5)
    sys.stdout.flush()
    # Threads that still wait for a child's output must not hold us up.
    os._exit(0)


if __name__ == "__main__":
    raise SystemExit(main())
