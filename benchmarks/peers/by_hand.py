"""The simplest server: one FastAPI endpoint with pydantic models. Uvicorn runs it with uvloop and httptools."""

import graph
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel


class Rows(BaseModel):
    """The body of a request."""

    x: list[list[float]]


class Answer(BaseModel):
    """The body of a response."""

    log_prob: list[float]


app = FastAPI()
compute_log_prob = graph.load()


# FastAPI runs a plain function in its thread pool, so the event loop reads requests while the graph computes.
@app.post("/log_prob")
def log_prob(rows: Rows) -> Answer:
    """Computes log_prob of the rows."""
    return Answer(log_prob=compute_log_prob(np.asarray(rows.x, np.float32)).tolist())
