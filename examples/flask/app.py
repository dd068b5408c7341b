"""A Flask app: it has nothing that knows gonicorn."""

import os

from flask import Flask, jsonify

app = Flask(__name__)


@app.get("/")
def index():
    return jsonify(hello="from Flask", pid=os.getpid())
