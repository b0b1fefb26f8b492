"""Trainings in the database as messages."""

from google.protobuf.timestamp_pb2 import Timestamp

from pagecast.featurestore.trainings.records import Training, TrainingProgress, TrainingState
from pagecast.v1 import training_pb2

STATES = {
    TrainingState.WAITING: training_pb2.TRAINING_STATE_WAITING,
    TrainingState.RUNNING: training_pb2.TRAINING_STATE_RUNNING,
    TrainingState.SUCCEEDED: training_pb2.TRAINING_STATE_SUCCEEDED,
    TrainingState.FAILED: training_pb2.TRAINING_STATE_FAILED,
    TrainingState.CANCELLED: training_pb2.TRAINING_STATE_CANCELLED,
}


def training_message(training: Training) -> training_pb2.Training:
    message = training_pb2.Training(
        request_id=training.request_id,
        state=STATES[training.state],
        asked_at=_moment(training.asked_at_ms),
        asked_by=training.asked_by,
        detail=training.detail,
        model_version=training.version or "",
        error=training.error,
        attempts=training.attempt,
        cancel_asked=training.cancel_asked_at_ms is not None,
    )
    if training.started_at_ms is not None:
        message.started_at.CopyFrom(_moment(training.started_at_ms))
    if training.ended_at_ms is not None:
        message.ended_at.CopyFrom(_moment(training.ended_at_ms))
    if training.progress is not None:
        message.progress.CopyFrom(_progress(training.progress))
    return message


def _progress(progress: TrainingProgress) -> training_pb2.TrainingProgress:
    message = training_pb2.TrainingProgress(
        stage=progress.stage,
        share_done=progress.share_done,
        step=progress.step,
        entity_loss=progress.entity_loss,
        row_loss=progress.row_loss,
        examples_per_second=progress.examples_per_second,
        evaluation=progress.evaluation,
    )
    if progress.eta_s is not None:
        message.eta.FromMilliseconds(round(progress.eta_s * 1000))
    return message


def _moment(at_ms: int) -> Timestamp:
    moment = Timestamp()
    moment.FromMilliseconds(at_ms)
    return moment
