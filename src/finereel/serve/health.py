"""The routes by which a machine looks after a server: `/healthz`, `/readyz`."""

from fastapi import APIRouter

from finereel.serve.state import Served
from finereel.web.errors import RefusedError

router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The server runs. Needs no token, and tells nothing else."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(served: Served) -> dict[str, str]:
    """The library can be read and the model is loaded, so that a search is answered at once."""
    if served.library.failure is not None:
        raise served.library.failure
    if not served.ready:
        raise RefusedError(503, "the model is being loaded", {"Retry-After": "1"})
    return {"status": "ready"}
