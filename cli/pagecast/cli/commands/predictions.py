"""`pagecast predict` and `pagecast similar`: PredictionService from the command line."""

from typing import Annotated

import typer

from pagecast.cli.options import AsJson, ServerAddress, StateDir


def predict(
    user: Annotated[str, typer.Argument(help="The user; a stranger may be asked for, too.")],
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many of each.")] = 10,
    device: Annotated[str, typer.Option(help="Device of the request.")] = "",
    country: Annotated[str, typer.Option(help="Country of the request.")] = "",
    server: ServerAddress = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Shows which entities, genres and languages a user probably goes on with."""
    from google.protobuf.json_format import MessageToDict

    from pagecast.cli.client import Client
    from pagecast.cli.discovery import server_address
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.v1 import events_pb2
    from pagecast.v1 import prediction_pb2 as pb

    settings = load_settings(state_dir=state_dir, server_address=server)
    heads = (
        pb.PREDICTION_HEAD_ENTITY,
        pb.PREDICTION_HEAD_GENRE,
        pb.PREDICTION_HEAD_LANGUAGE,
    )
    request = pb.PredictNextRequest(
        user_id=user,
        context=events_pb2.RequestContext(device=device, country=country),
        heads=heads,
        top_n=top,
    )
    with Client(server_address(settings)) as client:
        told = client.predict(request)
    output = Output(as_json=as_json)
    for prediction in told.predictions:
        name = pb.PredictionHead.Name(prediction.head).removeprefix("PREDICTION_HEAD_").lower()
        summed = prediction.source == pb.PREDICTION_SOURCE_ENTITIES
        output.table(
            f"{name}, summed over entities" if summed else name,
            ("name", "title", "probability"),
            [(one.name, one.title, f"{one.probability:.4f}") for one in prediction.likely],
        )
        output.say()
    known = told.HasField("history_version")
    output.say((f"model {told.model_version}{'' if known else ' · a stranger'}", "dim"))
    output.document(MessageToDict(told, preserving_proto_field_name=True))


def similar(
    entity: Annotated[str, typer.Argument(help="The entity's id.")],
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 10,
    server: ServerAddress = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Shows the entities whose embeddings point most nearly the same way."""
    from google.protobuf.json_format import MessageToDict

    from pagecast.cli.client import Client
    from pagecast.cli.discovery import server_address
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.v1 import prediction_pb2 as pb

    settings = load_settings(state_dir=state_dir, server_address=server)
    request = pb.ListSimilarEntitiesRequest(entity_id=entity, top_n=top)
    with Client(server_address(settings)) as client:
        told = client.similar(request)
    output = Output(as_json=as_json)
    output.table(
        "",
        ("entity", "title", "cosine"),
        [(one.entity_id, one.title, f"{one.score:.4f}") for one in told.entities],
    )
    output.say((f"model {told.model_version}", "dim"))
    output.document(MessageToDict(told, preserving_proto_field_name=True))
