import os

from flask import Flask, Response, jsonify, request

app = Flask(__name__)


@app.get("/")
def index():
    return jsonify(pid=os.getpid(), remote=request.remote_addr, multithread=request.environ["wsgi.multithread"])


@app.post("/upload")
def upload():
    f = request.files["file"]
    return jsonify(size=len(f.read()), name=f.filename)


@app.get("/stream")
def stream():
    return Response(("part %d\n" % i for i in range(100)), mimetype="text/plain")


@app.get("/fail")
def fail():
    raise RuntimeError("this view fails")


def create_app():
    return app


def create_named(name="x"):
    app.config["NAME"] = name
    return app
