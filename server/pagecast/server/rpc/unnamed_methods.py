"""Services are added to a server without naming their methods to gRPC's core.

The generated code names every method, and grpc.aio then waits for the next call of each one
separately, all of them anew with every call. Methods that are not named are looked up in the same
tables when a call comes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import grpc


class UnnamedMethods:
    """Stands for `server` where a service is added."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(
        self, handlers: "Sequence[grpc.GenericRpcHandler[Any, Any]]"
    ) -> None:
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(
        self, service: str, handlers: "Mapping[str, grpc.RpcMethodHandler[Any, Any]]"
    ) -> None:
        """Left out: the generic handlers have the same methods."""
