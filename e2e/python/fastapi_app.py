"""A FastAPI app with what such apps have."""

import asyncio
import os
import threading
import time
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, Depends, FastAPI, UploadFile, WebSocket
from fastapi.responses import StreamingResponse

COUNT = {"requests": 0}


@asynccontextmanager
async def lifespan(app):
    print("startup")
    yield {"greeting": "hello"}
    print("shutdown")


app = FastAPI(lifespan=lifespan)


def counted():
    COUNT["requests"] += 1
    return COUNT["requests"]


@app.get("/")
async def index(n: int = Depends(counted)):
    return {"pid": os.getpid(), "count": n, "thread": threading.current_thread().name}


@app.get("/sync")
def sync():
    return {"pid": os.getpid(), "thread": threading.current_thread().name}


@app.get("/sleep")
def sleep(s: float = 0.1):
    time.sleep(s)
    return {"pid": os.getpid()}


@app.get("/stall")
async def stall(s: float = 10):
    time.sleep(s)
    return {"pid": os.getpid()}


@app.get("/spin")
async def spin():
    while True:
        pass


@app.get("/background")
async def background(tasks: BackgroundTasks):
    tasks.add_task(print, "background task ran")
    return {}


@app.get("/stream")
async def stream(n: int = 10):
    async def parts():
        for i in range(n):
            yield "part %d\n" % i
            await asyncio.sleep(0)

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/events")
async def events():
    async def forever():
        i = 0
        try:
            while True:
                yield "data: %d\n\n" % i
                i += 1
                await asyncio.sleep(0.01)
        finally:
            print("events ended")

    return StreamingResponse(forever(), media_type="text/event-stream")


@app.post("/upload")
async def upload(file: UploadFile):
    size = 0
    while part := await file.read(1 << 20):
        size += len(part)
    return {"size": size, "name": file.filename}


@app.get("/fail")
async def fail():
    raise RuntimeError("this endpoint fails")


@app.websocket("/ws")
async def ws(socket: WebSocket):
    await socket.accept()
    try:
        while True:
            await socket.send_text("echo " + await socket.receive_text())
    except Exception as e:
        print("websocket ended:", type(e).__name__, getattr(e, "code", ""))
