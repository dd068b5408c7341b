"""A logger_class as people write them: a filter, an atom and a format of their own."""

import logging

from gunicorn.glogging import Logger


class NoHealth(logging.Filter):
    def filter(self, record):
        return "/health" not in record.getMessage()


class Own(Logger):
    error_fmt = "OWN %(levelname)s %(message)s"

    def setup(self, cfg):
        super().setup(cfg)
        self.access_log.addFilter(NoHealth())

    def atoms(self, resp, req, environ, request_time):
        atoms = super().atoms(resp, req, environ, request_time)
        atoms["tenant"] = environ.get("HTTP_X_TENANT", "nobody")
        return atoms


def app(environ, start_response):
    if environ["PATH_INFO"] == "/boom":
        raise KeyError("no such key")
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
