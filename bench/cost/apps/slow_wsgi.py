"""A WSGI app that says hello, 200 ms later where the path is /slow."""

import time

import hello_wsgi


def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.2)
    return hello_wsgi.app(environ, start_response)
