"""FastAPI, with one object as JSON."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def root():
    return {"hello": "world", "numbers": [1, 2, 3]}
