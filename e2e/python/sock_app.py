"""WebSockets over environ["gunicorn.socket"]: flask-sock, and what is below it."""

import threading

from flask import Flask, request
from flask_sock import Sock

app = Flask(__name__)
sock = Sock(app)


@app.route("/")
def index():
    return "socket" if "gunicorn.socket" in request.environ else "none"


@app.route("/plain")
def plain():
    return "an ordinary answer", 403


@sock.route("/echo")
def echo(ws):
    while True:
        ws.send(ws.receive())


@sock.route("/bye")
def bye(ws):
    ws.send("bye")  # simple-websocket closes with 1000


@sock.route("/many")
def many(ws):
    for n in range(200):
        ws.send(b"%05d" % n + b"x" * 20_000)


@sock.route("/fails")
def fails(ws):
    ws.send("soon")
    raise RuntimeError("after the handshake")


@sock.route("/who")
def who(ws):
    ws.send("%s %s" % (type(threading.current_thread()).__module__, request.args.get("q")))
    ws.receive()
