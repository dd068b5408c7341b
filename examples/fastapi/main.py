"""A FastAPI app: it has nothing that knows gonicorn."""

import os
import time

from fastapi import FastAPI, WebSocket

app = FastAPI()


@app.get("/")
async def index():
    return {"hello": "from FastAPI", "pid": os.getpid()}


@app.get("/slow")
def slow(seconds: float = 1):
    time.sleep(seconds)  # in FastAPI's thread pool: the loop stays free
    return {"slept": seconds}


@app.websocket("/ws")
async def echo(socket: WebSocket):
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)
