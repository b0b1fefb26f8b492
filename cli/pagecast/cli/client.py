"""A channel to the server, and its errors in our words."""

from collections.abc import Iterator
from types import TracebackType

import grpc

from pagecast.cli.exits import CliError, CommandError, InputError, NotRunningError
from pagecast.v1 import (
    feature_pb2,
    feature_pb2_grpc,
    homepage_pb2,
    homepage_pb2_grpc,
    prediction_pb2,
    prediction_pb2_grpc,
    training_pb2,
    training_pb2_grpc,
)

PAGE_SECONDS_MAX = 30.0
"""Deadline of a page: a cold server on a busy machine takes a second."""

BROWSE_SECONDS_MAX = 60.0
"""Deadline of a page browsed by a program, which reads as fast as it can."""

HISTORY_SECONDS_MAX = 10.0
"""Deadline of a history: one read of the online store."""

TRAINING_SECONDS_MAX = 10.0
"""Deadline of asking for a training: one row in the database."""
PREDICTION_SECONDS_MAX = 30.0
"""Deadline of a prediction, which waits for others of its kind."""

_STATUS_DETAILS = "grpc-status-details-bin"
"""A status with these details comes from the server itself; without, nobody answered."""


class TryAgainError(CommandError):
    """The server answered that it cannot do it at the moment."""


class Client:
    """One channel; used by several threads at once."""

    def __init__(self, address: str) -> None:
        self._address = address
        # Channels to one address would share a connection, and with it a worker of the server.
        self._channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
        self._pages = homepage_pb2_grpc.HomepageServiceStub(self._channel)
        self._trainings = training_pb2_grpc.TrainingServiceStub(self._channel)
        self._features = feature_pb2_grpc.FeatureServiceStub(self._channel)
        self._predictions = prediction_pb2_grpc.PredictionServiceStub(self._channel)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()

    def another(self) -> "Client":
        """Another client of the same server, with a connection of its own."""
        return Client(self._address)

    def stream_page(
        self, request: homepage_pb2.StreamHomepageRequest
    ) -> Iterator[homepage_pb2.StreamHomepageResponse]:
        """The pieces of a page as they arrive. Raises CliError."""
        try:
            yield from self._pages.StreamHomepage(request, timeout=PAGE_SECONDS_MAX)
        except grpc.RpcError as error:
            raise self._told(error) from error

    def browse_page(
        self, requests: Iterator[homepage_pb2.BrowseHomepageRequest]
    ) -> Iterator[homepage_pb2.BrowseHomepageResponse]:
        """The pieces of a page that is browsed, as they arrive. Raises CliError."""
        try:
            yield from self._pages.BrowseHomepage(requests, timeout=BROWSE_SECONDS_MAX)
        except grpc.RpcError as error:
            raise self._told(error) from error

    def history(self, user_id: str, steps_max: int = 0) -> feature_pb2.GetHistoryResponse | None:
        """A user's history; None if there is none. Raises CliError."""
        request = feature_pb2.GetHistoryRequest(user_id=user_id, steps_max=steps_max)
        try:
            return self._features.GetHistory(request, timeout=HISTORY_SECONDS_MAX)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return None
            raise self._told(error) from error

    def forget(self, user_id: str, seconds_max: float) -> feature_pb2.ForgetUserResponse:
        """Erases a user; the answer has no `completed_at` if that takes longer. Raises CliError."""
        request = feature_pb2.ForgetUserRequest(user_id=user_id)
        try:
            return self._features.ForgetUser(request, timeout=seconds_max)
        except grpc.RpcError as error:
            raise self._told(error) from error

    def start_training(self, request: training_pb2.StartTrainingRequest) -> training_pb2.Training:
        """Asks for a training. Raises CliError."""
        try:
            answer = self._trainings.StartTraining(request, timeout=TRAINING_SECONDS_MAX)
        except grpc.RpcError as error:
            raise self._told(error) from error
        return answer.training

    def watch_training(
        self, request_id: str, seconds_max: float
    ) -> Iterator[training_pb2.Training]:
        """A training now, and after every change, until it has ended. Raises CliError."""
        request = training_pb2.WatchTrainingRequest(request_id=request_id)
        try:
            for answer in self._trainings.WatchTraining(request, timeout=seconds_max):
                yield answer.training
        except grpc.RpcError as error:
            raise self._told(error) from error

    def predict(
        self, request: prediction_pb2.PredictNextRequest
    ) -> prediction_pb2.PredictNextResponse:
        """What a user probably goes on with. Raises CliError."""
        try:
            return self._predictions.PredictNext(request, timeout=PREDICTION_SECONDS_MAX)
        except grpc.RpcError as error:
            raise self._told(error) from error

    def similar(
        self, request: prediction_pb2.ListSimilarEntitiesRequest
    ) -> prediction_pb2.ListSimilarEntitiesResponse:
        """Entities like one. Raises CliError, or InputError if nobody knows that one."""
        try:
            return self._predictions.ListSimilarEntities(request, timeout=PREDICTION_SECONDS_MAX)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                raise InputError(error.details() or "") from error
            raise self._told(error) from error

    def _told(self, error: grpc.RpcError) -> CliError:
        code, details = error.code(), error.details() or ""
        if code == grpc.StatusCode.UNAVAILABLE:
            if _STATUS_DETAILS in {pair.key for pair in error.trailing_metadata() or ()}:
                return TryAgainError(details)
            return NotRunningError(
                f"the server at {self._address} does not answer: {details}",
                "start `pagecast up` or `pagecast serve`, or pass --server",
            )
        if code == grpc.StatusCode.INVALID_ARGUMENT:
            return InputError(details)
        return CommandError(f"{code.name}: {details}")
