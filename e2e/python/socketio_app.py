"""flask-socketio in gevent mode, with simple-websocket."""

from flask import Flask
from flask_socketio import SocketIO, emit

app = Flask(__name__)
socketio = SocketIO(app, async_mode="gevent", cors_allowed_origins="*")


@app.route("/")
def index():
    return "there"


@socketio.on("shout")
def shout(text):
    emit("heard", text.upper())
    socketio.sleep(0.05)
    emit("heard", "later")
