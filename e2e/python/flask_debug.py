"""Flask with and without Werkzeug's debugger, as flask --debug has it."""

from flask import Flask
from werkzeug.debug import DebuggedApplication


def make(debug):
    app = Flask("debugged" if debug else "plain")
    app.debug = debug

    @app.route("/")
    def index():
        return "fine"

    @app.route("/boom")
    def boom():
        return {}["no such key"]

    return app


plain = make(False)
debugged = DebuggedApplication(make(True), evalex=True)
