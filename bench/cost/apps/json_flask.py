"""Flask, with one object as JSON."""

from flask import Flask, jsonify

app = Flask(__name__)


@app.get("/")
def root():
    return jsonify(hello="world", numbers=[1, 2, 3])
