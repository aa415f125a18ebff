"""An S3 server for tests: moto's, with a switch that lets requests fail. Prints its port.

PUT /_fail/STATUS/TIMES/METHOD/TEXT : the next TIMES requests of METHOD whose path or query holds TEXT get STATUS.
PUT /_heal : none do any more.
GET /_failed : how many requests have failed since the server started.
"""

from __future__ import annotations

import os

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

moto = DomainDispatcherApplication(create_backend_app)
failing: list[list] = []
failed = [0]
CODES = {403: "AccessDenied", 500: "InternalError", 503: "SlowDown"}


def app(environ, start_response):
    method, path, query = (environ[name] for name in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING"))
    if path.startswith("/_fail/"):
        status, times, verb, text = path.removeprefix("/_fail/").split("/", 3)
        failing.append([int(status), int(times), verb, text])
        start_response("200 OK", [])
        return [b""]
    if path == "/_heal":
        failing.clear()
        start_response("200 OK", [])
        return [b""]
    if path == "/_failed":
        start_response("200 OK", [])
        return [str(failed[0]).encode()]
    for rule in failing:
        status, times, verb, text = rule
        if times and verb == method and text in f"{path}?{query}":
            rule[1] -= 1
            failed[0] += 1
            start_response(f"{status} Failing", [("Content-Type", "application/xml")])
            return [f"<Error><Code>{CODES[status]}</Code><Message>asked to fail</Message></Error>".encode()]
    return moto(environ, start_response)


if __name__ == "__main__":
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.port, flush=True)
    server.serve_forever()
