"""What is written first: one FastAPI endpoint with pydantic models; Uvicorn runs it with uvloop and httptools."""

import graph
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel


class Rows(BaseModel):
    """The body of a request."""

    x: list[list[float]]


class Answer(BaseModel):
    """The body of an answer."""

    log_prob: list[float]


app = FastAPI()
score = graph.load()


# A plain function: FastAPI runs it in its thread pool, so the loop goes on reading while the graph computes.
@app.post("/log_prob")
def log_prob(rows: Rows) -> Answer:
    """Score rows."""
    return Answer(log_prob=score(np.asarray(rows.x, np.float32)).tolist())
